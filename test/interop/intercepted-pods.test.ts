/**
 * A stock Envoy, and our sidecar, take over ADS what our control plane sends for interception REDIRECT and TPROXY, and traffic that rules of the kernel bring to it goes where it should: real pods (network namespaces), applications that know of
 * nothing, HTTP, TCP whose server speaks first, TLS of the applications' own, mTLS between the proxies.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { waitFor } from '../peers/started-program.ts';
import type { Json } from './envoy-resources.ts';
import { type CallAnswer, InterceptedPods, type Pod } from './intercepted-pods.ts';
import { spiffeId } from './mesh-with-identities.ts';
import { Stage } from './programs.ts';

const serviceOf = (name: string, ports: readonly Json[]): Json => ({
  apiVersion: 'outrigger.dev/v1',
  kind: 'Service',
  metadata: { name, namespace: 'shop' },
  spec: { ports },
});
const policy = (kind: string, name: string, spec: Json): Json => ({
  apiVersion: 'outrigger.dev/v1',
  kind,
  metadata: { name, namespace: 'shop' },
  spec,
});
const ordersPorts = [
  { name: 'http', port: 80, targetPort: 9000, appProtocol: 'http' },
  { name: 'quotes', port: 81, targetPort: 9100, appProtocol: 'grpc' },
  { name: 'queue', port: 6379, targetPort: 6380, appProtocol: 'tcp' },
  { name: 'tls', port: 8443, targetPort: 443, appProtocol: 'tcp' },
];
const services = [
  serviceOf('orders', ordersPorts),
  serviceOf('ledger', ordersPorts),
  serviceOf('desk', [{ name: 'http', port: 80 }]),
  serviceOf('till', [{ name: 'http', port: 80 }]),
];

describe.each(['envoy', 'sidecar'] as const)('%s that traffic is redirected to, under our control plane', (program) => {
  const ofEnvoy = program === 'envoy';
  const stage = new Stage();
  let pods: InterceptedPods;
  /** `desk` calls; `till` calls too, and may call Services only; `outside` has no proxy. `ledger` has TPROXY. */
  const pod: Record<'orders' | 'ledger' | 'desk' | 'till' | 'outside', Pod> = Object.create(null);
  let orders: string;
  let ordersIpv6: string;

  beforeAll(async () => {
    pods = new InterceptedPods(stage);
    await pods.start(services);
    for (const name of ['orders', 'ledger', 'desk', 'till', 'outside'] as const) pod[name] = await pods.pod(name);
    const both = ['IPv4', 'IPv6'];
    await pods.intercept(pod.orders, 'orders', { interception: 'REDIRECT', ip_families: both }, program);
    await pods.intercept(pod.ledger, 'ledger', { interception: 'TPROXY', app_port: 9000 }, program);
    const dns = ofEnvoy ? { dns_listen: '127.0.0.1:15053' } : {};
    await pods.intercept(pod.desk, 'desk', { interception: 'REDIRECT', ip_families: both, ...dns }, program);
    await pods.intercept(pod.till, 'till', { interception: 'REDIRECT', egress: 'registry-only' }, program);
    for (const service of ['orders', 'ledger'] as const) {
      await pods.register(service, pod[service], 9000, 'http');
      await pods.register(service, pod[service], 6380, 'queue');
    }
    await pods.register('orders', pod.orders, 9100, 'quotes');
    await pods.register('orders', pod.orders, 443, 'tls');
    [orders = '', ordersIpv6 = ''] = await pods.addressesOf('orders');
    await eventually('desk reaches orders', async () => (await http('desk', orders, 80, 'orders.shop')).status === 200);
    await eventually('the queue too', async () => (await tcp('desk', orders, 6379)).text !== '');
  }, 120_000);
  afterAll(async () => {
    await stage.stop();
    pods?.removeNetwork();
  });

  type Name = keyof typeof pod;
  const http = (from: Name, host: string, port: number, name: string): Promise<CallAnswer> =>
    pods.call(pod[from], { how: 'http', host, port, name });
  /** Waits for the first line: the server speaks first. */
  const tcp = (from: Name, host: string, port: number): Promise<CallAnswer> =>
    pods.call(pod[from], { how: 'tcp', host, port, until: '\n' });
  const eventually = (what: string, condition: () => Promise<boolean>): Promise<boolean> =>
    waitFor(what, 20_000, condition, 200);
  const seen = (answer: CallAnswer) =>
    JSON.parse(answer.text) as {
      readonly name: string;
      readonly from: string;
      readonly headers: Record<string, string>;
    };

  it('is connected, with every listener as it was sent', async () => {
    for (const name of ['orders', 'ledger', 'desk', 'till'] as const) {
      expect(await pods.counted(pod[name], 'listener_manager.lds.update_rejected')).toBe(0);
      expect(await pods.counted(pod[name], 'cluster_manager.cds.update_rejected')).toBe(0);
      expect(await pods.counted(pod[name], 'listener_manager.total_listeners_active')).toBe(
        name === 'desk' && ofEnvoy ? 3 : 2,
      );
    }
  });

  describe('outbound', () => {
    it('HTTP goes by Host, by mTLS, whatever address it was for', async () => {
      for (const [host, port, name] of [
        [orders, 80, 'orders'],
        [orders, 80, 'orders.shop'],
        [orders, 80, orders],
        [pod.outside.address, 7000, 'orders.shop.svc.cluster.local'],
      ] as const) {
        const answer = await http('desk', host, port, name);
        expect([host, answer.status]).toEqual([host, 200]);
        expect(seen(answer)).toMatchObject({ name: 'orders', from: '127.0.0.1' });
        expect(seen(answer).headers['x-forwarded-client-cert']).toContain(`URI=${spiffeId('desk')}`);
      }
    });

    it('a TCP service is found by its address, by mTLS, and its server may speak first', async () => {
      const before = await pods.counted(pod.desk, 'cluster.outbound|6379||orders.shop.ssl.handshake');
      expect(await tcp('desk', orders, 6379)).toEqual({ status: 0, text: 'orders greets 127.0.0.1\n', error: '' });
      expect(await pods.counted(pod.desk, 'cluster.outbound|6379||orders.shop.ssl.handshake')).toBe(before + 1);
      const spoken = await pods.call(pod.desk, {
        how: 'tcp',
        host: orders,
        port: 6379,
        say: 'GET 1\n',
        until: 'GET 1\n',
      });
      expect(spoken.text).toContain('GET 1');
    });

    it('HTTP/2 is found without TLS, as gRPC speaks it', async () => {
      const answer = await pods.call(pod.desk, { how: 'http2', host: orders, port: 81, name: 'orders.shop:81' });
      expect(answer.status).toBe(200);
      expect(seen(answer).headers['x-forwarded-client-cert']).toContain(`URI=${spiffeId('desk')}`);
    });

    it('IPv6: the same by the twin of the address', async () => {
      const answer = await http('desk', ordersIpv6, 80, `[${ordersIpv6}]`);
      expect(answer.status).toBe(200);
      expect(seen(answer).headers['x-forwarded-client-cert']).toContain(`URI=${spiffeId('desk')}`);
      expect((await tcp('desk', ordersIpv6, 6379)).text).toBe('orders greets 127.0.0.1\n');
      expect((await tcp('desk', pod.outside.ipv6, 7000)).text).toBe(`outside greets ${pod.desk.ipv6}\n`);
      expect(seen(await http('desk', pod.outside.ipv6, 80, 'example.com')).name).toBe('outside');
    });

    it('TLS of the application goes to the TCP service that it names, wherever the name was looked up', async () => {
      const call = { how: 'tls', port: 8443, name: 'orders.shop' } as const;
      for (const host of [orders, pod.outside.address])
        expect(await pods.call(pod.desk, { ...call, host })).toMatchObject({ text: 'orders by TLS for orders.shop\n' });
    });

    it('who speaks HTTP to a TCP service is not looked into', async () => {
      const answer = await pods.call(pod.desk, {
        how: 'tcp',
        host: orders,
        port: 6379,
        say: 'GET / HTTP/1.1\r\nhost: orders.shop\r\n\r\n',
        until: '\r\n\r\n',
      });
      expect(answer.text).toContain('orders greets 127.0.0.1\nGET / HTTP/1.1');
    });

    it('what no Service is at passes: HTTP, TLS with whatever server name, and TCP', async () => {
      const { address } = pod.outside;
      expect(seen(await http('desk', address, 80, 'example.com')).name).toBe('outside');
      // On the port of a TCP service, too.
      const call = { how: 'tls', host: address, port: 443, name: 'example.com' } as const;
      expect(await pods.call(pod.desk, call)).toMatchObject({ text: 'outside by TLS for example.com\n' });
      expect((await tcp('desk', address, 7000)).text).toBe(`outside greets ${pod.desk.address}\n`);
      expect(await pods.counted(pod.desk, 'cluster.outbound|passthrough||.upstream_cx_total')).toBeGreaterThanOrEqual(
        3,
      );
    });

    it('with egress registry-only it is refused, HTTP with the reason, and Services are reached all the same', async () => {
      const { address } = pod.outside;
      const answer = await http('till', address, 80, 'example.com');
      expect(answer.status).toBe(502);
      expect(answer.text).toMatch(/^egress registry-only: no Service of the mesh has this host/);
      const call = { how: 'tls', host: address, port: 443, name: 'example.com' } as const;
      expect((await pods.call(pod.till, call)).text).toBe('');
      expect((await tcp('till', address, 7000)).text).toBe('');
      expect((await http('till', orders, 80, 'orders.shop')).status).toBe(200);
      expect((await tcp('till', orders, 6379)).text).toBe('orders greets 127.0.0.1\n');
    });

    it('a connection to the listener itself is cut, and not led round and round', async () => {
      const before = await pods.counted(pod.desk, 'listener.127.0.0.1_15001.downstream_cx_total');
      expect((await http('desk', '127.0.0.1', 15_001, 'example.com')).status).toBe(0);
      expect(await pods.counted(pod.desk, 'listener.127.0.0.1_15001.downstream_cx_total')).toBe(before + 1);
    });

    // Our sidecar has no DNS yet.
    it.runIf(ofEnvoy)('DNS: names of the mesh have the addresses of their Services', async () => {
      const ask = (name: string): Promise<CallAnswer> =>
        pods.call(pod.desk, { how: 'dns', host: '127.0.0.1', port: 15_053, name });
      for (const name of ['orders', 'orders.shop', 'orders.shop.svc.cluster.local'])
        expect([name, (await ask(name)).text]).toEqual([name, orders]);
    });
  });

  describe('inbound', () => {
    it('STRICT: plaintext gets 403 from an HTTP port, and not a byte from any other', async () => {
      const { address } = pod.orders;
      expect((await http('outside', address, 9000, 'orders.shop')).status).toBe(403);
      expect((await tcp('outside', address, 6380)).text).toBe('');
      expect((await tcp('outside', address, 7000)).text).toBe('');
    });

    it('PERMISSIVE: plaintext passes, on ports that nobody named from 127.0.0.6, and TLS of the application is left alone', async () => {
      pods.configure([...services, policy('PeerAuthentication', 'both', { mtls: { mode: 'PERMISSIVE' } })]);
      const { address } = pod.orders;
      await eventually('plaintext passes', async () => (await http('outside', address, 9000, 'a')).status === 200);
      await eventually(
        'TCP too',
        async () => (await tcp('outside', address, 6380)).text === 'orders greets 127.0.0.1\n',
      );
      expect((await tcp('outside', address, 7000)).text).toBe('orders greets 127.0.0.6\n');
      expect((await tcp('outside', pod.orders.ipv6, 7000)).text).toBe('orders greets ::6\n');
      const call = { how: 'tls', host: address, port: 443, name: 'orders.example' } as const;
      expect(await pods.call(pod.outside, call)).toMatchObject({ text: 'orders by TLS for orders.example\n' });
      // Callers of the mesh still come by mTLS.
      const before = await pods.counted(pod.desk, 'cluster.outbound|6379||orders.shop.ssl.handshake');
      expect(await tcp('desk', orders, 6379)).toEqual({ status: 0, text: 'orders greets 127.0.0.1\n', error: '' });
      expect(await pods.counted(pod.desk, 'cluster.outbound|6379||orders.shop.ssl.handshake')).toBe(before + 1);
    });

    it('TPROXY: the application sees the address of its caller, on every port', async () => {
      const { address } = pod.ledger;
      await eventually('plaintext passes', async () => (await http('outside', address, 9000, 'a')).status === 200);
      expect(seen(await http('outside', address, 9000, 'a')).from).toBe(pod.outside.address);
      for (const port of [6380, 7000])
        expect((await tcp('outside', address, port)).text).toBe(`ledger greets ${pod.outside.address}\n`);
      const [ledger = ''] = await pods.addressesOf('ledger');
      expect(seen(await http('desk', ledger, 80, 'ledger.shop')).from).toBe(pod.desk.address);
      expect((await tcp('desk', ledger, 6379)).text).toBe(`ledger greets ${pod.desk.address}\n`);
    });

    it('the listener itself, called at its own port, leads nowhere; the application port of the same pod answers', async () => {
      for (const each of [pod.ledger, pod.orders]) {
        expect((await http('outside', each.address, 15_006, 'a')).status).toBe(0);
        expect((await http('outside', each.address, 9000, 'a')).status).toBe(200);
      }
    });

    it('a TCP service that comes changes filter chains only: connections through the listener live on', async () => {
      const inPlace = (): Promise<number> => pods.counted(pod.desk, 'listener_manager.listener_in_place_updated');
      const before = await inPlace();
      // Nobody says the word, so it goes on until its caller has waited long enough; Envoy drains for 1 s.
      const long = pods.call(pod.desk, { how: 'tcp', host: orders, port: 6379, until: 'the word' });
      pods.configure([
        ...services,
        serviceOf('cache', [{ name: 'main', port: 11_211, appProtocol: 'tcp' }]),
        policy('PeerAuthentication', 'both', { mtls: { mode: 'PERMISSIVE' } }),
      ]);
      await eventually('desk has a chain more', async () => (await inPlace()) > before);
      expect(await long).toMatchObject({ text: 'orders greets 127.0.0.1\n', error: 'timeout' });
    });

    it('an AuthorizationPolicy holds for connections: a caller that speaks is denied, and others are not', async () => {
      pods.configure([
        ...services,
        policy('AuthorizationPolicy', 'not-desk', {
          targetRefs: [{ kind: 'Service', name: 'orders' }],
          action: 'DENY',
          rules: [{ from: [{ source: { principals: [spiffeId('desk')] } }], to: [{ operation: { ports: [6380] } }] }],
        }),
      ]);
      const said = (from: Name): Promise<CallAnswer> =>
        pods.call(pod[from], { how: 'tcp', host: orders, port: 6379, say: 'PING\n', until: 'PING\n' });
      await eventually('desk is denied', async () => !(await said('desk')).text.includes('PING'));
      expect((await said('till')).text).toContain('PING');
      expect((await http('desk', orders, 80, 'orders.shop')).status).toBe(200);
      expect(await pods.counted(pod.orders, 'inbound_tcp.rbac.denied')).toBeGreaterThan(0);
    });
  });
});
