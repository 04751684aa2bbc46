/**
 * A stock Envoy and our sidecar in one mesh, under our control plane over its TLS door: they call each other by mTLS, HTTP/1.1 and gRPC, with nothing in common but what the control plane sends. Identities,
 * accounts, PeerAuthentication and AuthorizationPolicy hold on both sides.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { waitFor } from '../peers/started-program.ts';
import type { Json } from './envoy-resources.ts';
import { ask, type Exchange, type Question } from './exchange.ts';
import { callGrpc } from './grpc-exchange.ts';
import { service } from './mesh-configuration.ts';
import { counted, MeshWithIdentities, type ServiceProxy, spiffeId } from './mesh-with-identities.ts';
import { Stage } from './programs.ts';

/** Two of each kind: one whose application speaks HTTP/1.1, one with gRPC. */
const services = { orders: 'http', payments: 'http', quotes: 'grpc', rates: 'grpc' } as const;
type ServiceName = keyof typeof services;

interface Direction {
  readonly how: string;
  readonly caller: ServiceName;
  readonly http: ServiceName;
  readonly grpc: ServiceName;
  /** Another of the caller's kind. */
  readonly other: ServiceName;
  /** Its only instance is where `http` listens, who is somebody else. */
  readonly impostor: string;
}

const directions: readonly Direction[] = [
  { how: 'sidecar → Envoy', caller: 'orders', http: 'payments', grpc: 'rates', other: 'quotes', impostor: 'ledger' },
  { how: 'Envoy → sidecar', caller: 'payments', http: 'orders', grpc: 'quotes', other: 'rates', impostor: 'audit' },
];

describe('a stock Envoy and our sidecar by mTLS under our control plane', () => {
  const stage = new Stage();
  let mesh: MeshWithIdentities;
  const proxies = new Map<ServiceName, ServiceProxy>();
  const known = [
    ...Object.entries(services).map(([name, protocol]) => service(name, [], protocol)),
    service('ledger', []),
    service('audit', []),
  ];

  beforeAll(async () => {
    const app = await stage.backend('app');
    mesh = await MeshWithIdentities.start(stage, known);
    proxies.set('orders', await mesh.sidecar('orders', app.httpPort));
    proxies.set('quotes', await mesh.sidecar('quotes', app.grpcPort));
    proxies.set('payments', await mesh.envoy('payments', app.httpPort));
    proxies.set('rates', await mesh.envoy('rates', app.grpcPort));
    for (const { impostor, http } of directions) await mesh.register(impostor, of(http).inbound);
    for (const { caller, http, grpc } of directions) {
      await eventually(`${caller} reaches ${http}`, async () => (await http1(caller, http)).status === 200);
      await eventually(`${caller} reaches ${grpc}`, async () => (await grpcCall(caller, grpc)).code === 0);
    }
  }, 60_000);
  afterAll(async () => {
    mesh.close();
    await stage.stop();
  });

  const of = (name: ServiceName): ServiceProxy => proxies.get(name)!;
  const http1 = (caller: ServiceName, target: string, question: Question = {}): Promise<Exchange> =>
    ask(of(caller).outbound, { host: `${target}.shop`, ...question });
  const grpcCall = (caller: ServiceName, target: ServiceName): ReturnType<typeof callGrpc> =>
    callGrpc(of(caller).outbound, `${target}.shop`);
  const eventually = (what: string, condition: () => Promise<boolean>): Promise<boolean> =>
    waitFor(what, 15_000, () => condition().catch(() => false));
  const seen = (answer: Exchange): string | undefined =>
    (JSON.parse(answer.body) as { headers: Record<string, string[]> }).headers['X-Forwarded-Client-Cert']?.join();
  const element = (caller: string, target: string): RegExp =>
    new RegExp(`^By=${spiffeId(target)};Hash=[0-9a-f]{64};URI=${spiffeId(caller)}$`);

  const policy = (kind: string, name: string, spec: Json): Json => ({
    apiVersion: 'outrigger.dev/v1',
    kind,
    metadata: { name, namespace: 'shop' },
    spec,
  });
  const denies = (target: ServiceName, caller: ServiceName, dryRun: boolean): Json =>
    policy('AuthorizationPolicy', `not-${caller}-at-${target}`, {
      targetRefs: [{ kind: 'Service', name: target }],
      action: 'DENY',
      dryRun,
      rules: [{ from: [{ source: { principals: [spiffeId(caller)] } }] }],
    });

  describe.each(directions)('$how', ({ caller, http, grpc, other, impostor }) => {
    it('HTTP/1.1: the application is told who calls, and nothing that callers say of themselves', async () => {
      const { proxy, inbound } = of(http);
      expect(await counted(proxy, `listener.127.0.0.1_${inbound}.ssl.handshake`)).toBeGreaterThan(0);
      const forged = { 'x-forwarded-client-cert': `URI=${spiffeId('admin')}` };
      const answer = await http1(caller, http, { headers: forged });
      expect(answer.status).toBe(200);
      expect(seen(answer)).toMatch(element(caller, http));
    });

    it('gRPC: the same', async () => {
      const { code, seenClientCertificate } = await grpcCall(caller, grpc);
      expect(code).toBe(0);
      expect(seenClientCertificate).toMatch(element(caller, grpc));
    });

    it('does not call who is not one of the accounts of the service', async () => {
      const answer = await http1(caller, impostor);
      expect(answer.status).toBe(503);
      expect(
        await counted(of(caller).proxy, `cluster.outbound|80||${impostor}.shop.ssl.fail_verify_san`),
      ).toBeGreaterThan(0);
    });

    it('refuses plaintext at a STRICT port, with the reason', async () => {
      const plain = await ask(of(http).inbound, { headers: { 'x-forwarded-client-cert': `URI=${spiffeId(caller)}` } });
      expect(plain.status).toBe(403);
      expect(await counted(of(http).proxy, 'http.inbound_plaintext.rbac.denied')).toBe(1);
      // Envoy tells callers no reason; it has it in its own log, as response_code_details.
      if (http === 'orders')
        expect(JSON.parse(plain.body)).toMatchObject({
          flag: 'RBAC',
          rule: 'mTLS STRICT (the default)',
        });
      else expect(plain.body).toBe('RBAC: access denied');
      expect((await callGrpc(of(grpc).inbound, `${grpc}.shop`)).code).toBe(7);
    });

    it('a DENY by principal holds for HTTP and gRPC, for that caller only', async () => {
      mesh.configure([...known, denies(http, caller, false), denies(grpc, caller, false)]);
      await eventually('the caller is denied', async () => (await http1(caller, http)).status === 403);
      await eventually('its gRPC calls are denied', async () => (await grpcCall(caller, grpc)).code === 7);
      const { body } = await http1(caller, http);
      if (http === 'orders') expect(JSON.parse(body)).toMatchObject({ rule: `shop/not-${caller}-at-${http}#rule-0` });
      else expect(body).toBe('RBAC: access denied');
      expect((await http1(other, http)).status).toBe(200);
      expect((await grpcCall(other, grpc)).code).toBe(0);
    });

    it('a dry run counts, and denies nothing', async () => {
      const dryRun = (name: ServiceName): Promise<number> =>
        counted(of(name).proxy, 'http.inbound.rbac.dry_run_.shadow_denied');
      mesh.configure([...known, denies(http, caller, true), denies(grpc, caller, true)]);
      for (const [target, call] of [
        [http, async () => (await http1(caller, http)).status === 200],
        [grpc, async () => (await grpcCall(caller, grpc)).code === 0],
      ] as const) {
        await eventually(`${target} denies nothing`, call);
        await eventually(`${target} counts`, async () => (await call()) && (await dryRun(target)) > 0);
        const before = await dryRun(target);
        for (let i = 0; i < 5; i++) expect(await call()).toBe(true);
        expect(await dryRun(target)).toBe(before + 5);
      }
      const before = await dryRun(http);
      expect((await http1(other, http)).status).toBe(200);
      expect(await dryRun(http)).toBe(before);
    });

    it('PERMISSIVE takes both, counts which, and gives plaintext callers no identity', async () => {
      mesh.configure([...known, policy('PeerAuthentication', 'both', { mtls: { mode: 'PERMISSIVE' } })]);
      const forged = { headers: { 'x-forwarded-client-cert': `URI=${spiffeId(caller)}` } };
      await eventually('plaintext passes', async () => (await ask(of(http).inbound, forged)).status === 200);
      await eventually('gRPC too', async () => (await callGrpc(of(grpc).inbound, `${grpc}.shop`)).code === 0);
      const plaintext = (): Promise<number> => counted(of(http).proxy, 'http.inbound_plaintext.downstream_cx_total');
      const before = await plaintext();
      expect(seen(await ask(of(http).inbound, forged))).toBeUndefined();
      expect((await callGrpc(of(grpc).inbound, `${grpc}.shop`)).seenClientCertificate).toBe('');
      expect(await plaintext()).toBe(before + 1);
      expect(seen(await http1(caller, http))).toMatch(element(caller, http));
      expect((await grpcCall(caller, grpc)).seenClientCertificate).toMatch(element(caller, grpc));
      expect(await plaintext()).toBe(before + 1);
      if (http === 'orders') {
        const metrics = await of(http).proxy.admin('/stats/prometheus');
        for (const security of ['plaintext', 'mutual_tls'])
          expect(metrics).toMatch(
            new RegExp(`^outrigger_inbound_connections_total\\{[^}]*security="${security}"[^}]*\\} [1-9]`, 'm'),
          );
      }
      mesh.configure(known);
      await eventually('STRICT again', async () => (await ask(of(http).inbound)).status === 403);
    });
  });
});
