/**
 * All parts of interception together: hosts (network namespaces) with applications that know nothing, rules by `outrigger intercept`, our sidecars with certificates by join token, our control plane, STRICT mTLS. Real clients and
 * servers of HTTP/1.1, HTTP/2, WebSocket, gRPC, PostgreSQL, Redis and TLS, by nftables and iptables, REDIRECT and TPROXY, IPv4 and IPv6. What the wire between the hosts carries is captured.
 */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { waitFor } from '../peers/started-program.ts';
import { CapturedWire } from './captured-wire.ts';
import type { Json } from './envoy-resources.ts';
import { Databases } from './intercepted-databases.ts';
import { type Backend, type Family, type InterceptedHost, InterceptedMesh, type Mode } from './intercepted-mesh.ts';
import type { Call, CallAnswer } from './intercepted-pods.ts';
import { spiffeId } from './mesh-with-identities.ts';
import { peer, Stage } from './programs.ts';

const document = (kind: string, name: string, spec: Json): Json => ({
  apiVersion: 'outrigger.dev/v1',
  kind,
  metadata: { name, namespace: 'shop' },
  spec,
});
const ports = [
  { name: 'http', port: 80, targetPort: 9000, appProtocol: 'http' },
  { name: 'http2', port: 81, targetPort: 9100, appProtocol: 'http2' },
  { name: 'grpc', port: 8443, targetPort: 9090, appProtocol: 'grpc' },
  { name: 'interop', port: 10_000, appProtocol: 'grpc' },
  { name: 'sql', port: 5432, appProtocol: 'tcp' },
  { name: 'cache', port: 6379, appProtocol: 'tcp' },
  { name: 'tls', port: 443, appProtocol: 'tcp' },
];
const documents = [
  document('Service', 'orders', { ports }),
  document('Service', 'ledger', { ports }),
  document('Service', 'vault', { ports }),
  document('Service', 'desk', { ports: [{ name: 'http', port: 80 }] }),
  document('Service', 'till', { ports: [{ name: 'http', port: 80 }] }),
  document('PeerAuthentication', 'strict', { mtls: { mode: 'STRICT' } }),
];
const appPorts = [9000, 9100, 9090, 5432, 6379, 443];

interface Setting {
  readonly mode: Mode;
  readonly backend: Backend;
  readonly families: readonly Family[];
  readonly flags?: readonly string[];
}

const both = ['IPv4', 'IPv6'] as const;
/** Called are `orders`, `ledger` and `vault`; `desk` and `till` call. `vault` and `till` have no IPv4 but loopback's. */
const settings = {
  orders: { mode: 'redirect', backend: 'nftables', families: both },
  ledger: { mode: 'tproxy', backend: 'iptables', families: both },
  vault: { mode: 'tproxy', backend: 'nftables', families: ['IPv6'] },
  desk: { mode: 'redirect', backend: 'iptables', families: both },
  till: { mode: 'redirect', backend: 'nftables', families: ['IPv6'], flags: ['--egress', 'registry-only'] },
} as const satisfies Readonly<Record<string, Setting>>;
type Name = keyof typeof settings;
const names = Object.keys(settings) as Name[];

describe('intercepted both ways', () => {
  const stage = new Stage();
  const databases = new Databases(stage);
  let mesh: InterceptedMesh;
  const host: Record<Name | 'outside', InterceptedHost> = Object.create(null);
  /** What was there before any rule. */
  const clean: Record<string, string> = Object.create(null);

  beforeAll(async () => {
    mesh = new InterceptedMesh(stage);
    const certificate = [join(stage.folder, 'app.pem'), join(stage.folder, 'app.key')] as const;
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=app'];
    execFileSync('openssl', ['req', '-x509', ...key, '-out', certificate[0], '-keyout', certificate[1]], {
      stdio: 'ignore',
    });
    await mesh.start(documents);
    host.outside = mesh.host('outside');
    for (const name of names) host[name] = mesh.host(name, settings[name].families);
    const app = join(import.meta.dirname, 'intercepted-app-program.ts');
    await Promise.all(
      [host.orders, host.ledger, host.vault, host.outside].map(async (each) => {
        await each.program('app', [process.execPath, app, each.name, ...certificate]).line(/listening/);
        await each
          .program('grpc', [peer('backend'), '--grpc', '[::]:9090', '--http', '127.0.0.1:0', '--instance', each.name])
          .line(/"grpc"/);
      }),
    );
    for (const name of ['orders', 'ledger'] as const) {
      await databases.startPostgres(host[name]);
      await databases.startRedis(host[name]);
    }
    for (const name of names) clean[name] = await host[name].snapshot();
    for (const name of names) await host[name].install(settings[name].mode, settings[name].backend, '--verify');
    await Promise.all(
      names.map((name) => {
        const { mode, flags }: Setting = settings[name];
        const caller = name === 'desk' || name === 'till';
        // Registered when all of them listen: no database is beside `vault`.
        const here = appPorts.filter((port) => name !== 'vault' || (port !== 5432 && port !== 6379));
        const options = { mode, appPorts: caller ? [] : here, ...(flags === undefined ? {} : { flags }) };
        return host[name].sidecar(name, options);
      }),
    );
    // Every caller has heard of every instance.
    for (const from of ['desk', 'till'] as const)
      for (const to of ['orders', 'ledger', 'vault'] as const)
        if (reaches(from, to))
          await waitFor(`${from} to reach ${to}`, 20_000, async () => (await http(from, to)).status === 200, 200);
  }, 120_000);
  afterAll(async () => {
    await stage.stop();
    mesh.remove();
  });

  /** Instances register with one address: of IPv4, where they have any. */
  const reaches = (from: 'desk' | 'till', to: Name): boolean => from === 'desk' || to === 'vault';
  const vip = (to: Name, family: Family = 'IPv6'): Promise<string> => mesh.addressOf(`${to}`, family);
  const http = async (from: Name, to: Name, family: Family = 'IPv6'): Promise<CallAnswer> =>
    host[from].call({ how: 'http', host: await vip(to, family), port: 80, name: `${to}.shop` });
  const seen = ({ status, text, error }: CallAnswer) => {
    if (status !== 200) throw new Error(`${status} ${error}: ${text}`);
    return JSON.parse(text) as {
      readonly name: string;
      readonly from: string;
      readonly headers: Record<string, string>;
    };
  };
  /** The address that the application sees: of the family that the instance registered with. */
  const callerAt = (from: Name, to: Name): string => {
    if (settings[to].mode === 'redirect') return '127.0.0.1';
    return host[from].addresses[settings[to].families[0]];
  };
  const pairs = [
    ['desk', 'orders', 'IPv4'],
    ['desk', 'orders', 'IPv6'],
    ['desk', 'ledger', 'IPv4'],
    ['desk', 'ledger', 'IPv6'],
    ['desk', 'vault', 'IPv4'],
    ['till', 'vault', 'IPv6'],
  ] as const;

  describe.each(pairs)('%s calls %s by %s', (from, to, family) => {
    it('HTTP/1.1 and HTTP/2, as who it is; under TPROXY from its own address', async () => {
      const answer = seen(await http(from, to, family));
      expect(answer).toMatchObject({ name: to, from: callerAt(from, to) });
      expect(answer.headers['x-forwarded-client-cert']).toContain(`URI=${spiffeId(from)}`);
      const address = await vip(to, family);
      const http2 = seen(await host[from].call({ how: 'http2', host: address, port: 81, name: `${to}.shop:81` }));
      expect(http2.headers['x-forwarded-client-cert']).toContain(`URI=${spiffeId(from)}`);
    });

    it('WebSocket', async () => {
      const call = { how: 'websocket', host: await vip(to, family), port: 80, say: 'ahoy' } as const;
      expect(await host[from].call(call)).toMatchObject({ text: `${to} heard ahoy from ${callerAt(from, to)}` });
    });

    it('gRPC', async () => {
      const address = await vip(to, family);
      const target = family === 'IPv6' ? `[${address}]:8443` : `${address}:8443`;
      const words = ['-plaintext', '-v', '-authority', `${to}.shop:8443`, '-max-time', '10', target];
      const output = await host[from].output([peer('grpcurl'), ...words, 'grpc.testing.TestService/EmptyCall']);
      expect(output).toContain(`URI=${spiffeId(from)}`);
    });

    it('TLS that the application brings itself', async () => {
      const call = { how: 'tls', host: await vip(to, family), port: 443, name: 'app.example' } as const;
      expect(await host[from].call(call)).toMatchObject({ text: `${to} by TLS for app.example\n` });
    });

    it.runIf(to !== 'vault')('PostgreSQL, whose server waits for its client, and Redis', async () => {
      const address = await vip(to, family);
      const query = 'select host(inet_client_addr()) || $$ by $$ || count(*) from generate_series(1, 20000)';
      expect((await databases.psql(host[from], address, query)).stdout).toBe(`${callerAt(from, to)} by 20000\n`);
      expect((await databases.redis(host[from], address, 'PING')).stdout).toBe('PONG\n');
      expect((await databases.redis(host[from], address, 'SET', family, 'x'.repeat(100_000))).stdout).toBe('OK\n');
      expect((await databases.redis(host[from], address, 'STRLEN', family)).stdout).toBe('100000\n');
    });
  });

  it('every kind of call of gRPC, by its own interop client and server', async () => {
    const server = host.vault.program('interop', [peer('grpc-interop-server'), '--port=10000']);
    await waitFor('the interop server', 10_000, async () => {
      server.failIfEnded();
      return (
        (await host.vault.call({ how: 'tcp', host: '127.0.0.1', port: 10_000, until: '' })).error !== 'ECONNREFUSED'
      );
    });
    const cases = ['large_unary', 'client_streaming', 'server_streaming', 'ping_pong', 'cancel_after_first_response'];
    for (const name of [...cases, 'timeout_on_sleeping_server', 'status_code_and_message', 'custom_metadata']) {
      const flags = [`--server_host=${await vip('vault')}`, '--server_port=10000', '--use_tls=false'];
      const run = await host.desk.run([peer('grpc-interop-client'), ...flags, `--test_case=${name}`]);
      expect(run.code, `${name}: ${run.stderr}`).toBe(0);
    }
  });

  it('the application calls itself: by its Service, over both sides of its sidecar, and by its own address, directly', async () => {
    for (const name of ['orders', 'ledger', 'vault'] as const) {
      const itself = host[name];
      const answer = seen(await http(name, name));
      expect(answer.name).toBe(name);
      expect(answer.headers['x-forwarded-client-cert']).toContain(`URI=${spiffeId(name)}`);
      const address = itself.addresses[settings[name].families[0]];
      const direct = seen(await itself.call({ how: 'http', host: address, port: 9000, name: 'itself' }));
      expect(direct.headers['x-request-id']).toBeUndefined();
      const local = seen(await itself.call({ how: 'http', host: '127.0.0.1', port: 9000, name: 'itself' }));
      expect(local.headers['x-request-id']).toBeUndefined();
    }
  });

  it('a connection to the port of the sidecar itself is a loop: it is cut, counted and told, by REDIRECT and TPROXY', async () => {
    for (const name of ['orders', 'ledger', 'vault'] as const) {
      const at = host[name].addresses[settings[name].families[0]];
      for (const port of [15_006, 15_001]) {
        const { status, error } = await host.outside.call({ how: 'http', host: at, port, name: `${name}.shop` });
        expect([name, port, status, error]).toEqual([name, port, 0, expect.stringMatching(/ECONNRESET|hang up/)]);
      }
      const text = `was going to ${at.includes(':') ? `[${at}]` : at}:15006, which is the listener inbound of this sidecar`;
      await waitFor(`the loop in the log of ${name}`, 5_000, () =>
        Promise.resolve(host[name].sidecarProgram.output.includes(text)),
      );
      // The mesh calls the same instance at the application's port.
      expect((await http('desk', name)).status).toBe(200);
    }
  });

  describe('mTLS between the hosts', () => {
    it('nothing of what applications say is on the wire, which it is without sidecars', async () => {
      const wire = await CapturedWire.start(mesh, host.desk);
      const marker = (kind: string): string => `in-the-clear-${kind}`;
      for (const to of ['orders', 'ledger'] as const) {
        const address = await vip(to, 'IPv4');
        const call = { host: address, name: `${to}.shop` };
        await host.desk.call({ ...call, how: 'http', port: 80, path: `/${marker('http')}` });
        await host.desk.call({ ...call, how: 'http2', port: 81, name: `${to}.shop:81`, path: `/${marker('http2')}` });
        await host.desk.call({ ...call, how: 'websocket', port: 80, path: `/${marker('websocket')}`, say: 'ahoy' });
        const sql = await databases.psql(host.desk, address, `select '${marker('postgres')}'`);
        expect(sql.stdout).toBe(`${marker('postgres')}\n`);
        const redis = await databases.redis(host.desk, address, 'ECHO', marker('redis'));
        expect(redis.stdout).toBe(`${marker('redis')}\n`);
      }
      const outside = { how: 'http', host: host.outside.addresses.IPv4, port: 80, name: 'outside.example' } as const;
      await host.desk.call({ ...outside, path: `/${marker('outside')}` });
      const heard = await wire.stop();
      // That the capture hears is seen by what goes to who is no part of the mesh.
      expect(heard.includes(marker('outside'))).toBe(true);
      for (const kind of ['http', 'http2', 'websocket', 'postgres', 'redis'])
        expect([kind, heard.includes(marker(kind))]).toEqual([kind, false]);
    });

    it('STRICT: plaintext of who is no part of the mesh gets 403 from HTTP, and not a byte from anything else', async () => {
      for (const [name, family] of [
        ['orders', 'IPv4'],
        ['orders', 'IPv6'],
        ['ledger', 'IPv4'],
        ['vault', 'IPv6'],
      ] as const) {
        const at = host[name].addresses[family];
        const answer = await host.outside.call({ how: 'http', host: at, port: 9000, name: `${name}.shop` });
        expect([name, answer.status]).toEqual([name, 403]);
        // What nobody named, and speaks first; and what a Service has.
        expect((await host.outside.call({ how: 'tcp', host: at, port: 7000, until: '\n' })).text).toBe('');
        expect((await host.outside.call({ how: 'tcp', host: at, port: 6379, say: 'PING\r\n', until: '\n' })).text).toBe(
          '',
        );
        const tls = await host.outside.call({ how: 'tls', host: at, port: 443, name: 'app.example' });
        expect(tls.text).toBe('');
      }
      const sql = await databases.psql(host.outside, host.orders.addresses.IPv4, 'select 1');
      expect(sql.code).not.toBe(0);
    });
  });

  describe('calls to hosts that the mesh does not know', () => {
    const calls = (at: string): readonly Call[] => [
      { how: 'http', host: at, port: 80, name: 'example.com' },
      { how: 'tcp', host: at, port: 7000, until: '\n' },
      { how: 'tls', host: at, port: 443, name: 'example.com' },
    ];
    const { IPv4, IPv6 } = { IPv4: 'IPv4', IPv6: 'IPv6' } as const;

    it.each([IPv4, IPv6])('egress allow: pass as they are, by %s', async (family) => {
      const [web, tcp, tls] = calls(host.outside.addresses[family]) as [Call, Call, Call];
      expect(seen(await host.desk.call(web))).toMatchObject({ name: 'outside', from: host.desk.addresses[family] });
      expect((await host.desk.call(tcp)).text).toBe(`outside greets ${host.desk.addresses[family]}\n`);
      expect((await host.desk.call(tls)).text).toBe('outside by TLS for example.com\n');
    });

    it('egress registry-only: refused, HTTP with the reason', async () => {
      const [web, tcp, tls] = calls(host.outside.addresses.IPv6) as [Call, Call, Call];
      const answer = await host.till.call(web);
      expect(answer).toMatchObject({ status: 502 });
      expect(answer.text).toContain('registry-only');
      expect((await host.till.call(tcp)).text).toBe('');
      expect((await host.till.call(tls)).text).toBe('');
    });
  });

  it('without the rules traffic goes directly, and nothing of them is left', async () => {
    for (const name of ['ledger', 'vault', 'orders'] as const) {
      const { families, backend, mode } = settings[name];
      const at = host[name].addresses[families[0]];
      const direct = { how: 'http', host: at, port: 9000, name: 'a' } as const;
      expect((await host.outside.call(direct)).status).toBe(403);
      const counter = 'listener.0.0.0.0_15006';
      const before = await host[name].counted(`${counter}.downstream_cx_total`);
      const removed = await host[name].intercept('remove');
      expect([removed.code, removed.stderr]).toEqual([0, expect.any(String)]);
      expect(await host[name].snapshot()).toBe(clean[name]);
      expect((await host[name].intercept('show')).stdout).toMatch(/nothing|no /i);
      expect(seen(await host.outside.call(direct))).toMatchObject({ name, from: host.outside.addresses[families[0]] });
      expect(await host[name].counted(`${counter}.downstream_cx_total`)).toBe(before);
      // And back again, with the sidecar as it is.
      await host[name].install(mode, backend);
      expect((await host.outside.call(direct)).status).toBe(403);
    }
  });
});
