/** What goes wrong when interception is set up, from the user's side: one clear error each, nothing left half done, and what mends it. Rules, sidecars and traffic together; cases of the rules alone are in intercept.test.ts. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { waitFor } from '../peers/started-program.ts';
import type { Json } from './envoy-resources.ts';
import { type InterceptedHost, InterceptedMesh, type Output } from './intercepted-mesh.ts';
import { outriggerProgram, peer, Stage } from './programs.ts';

const service = (name: string, ports: readonly Json[]): Json => ({
  ...{ apiVersion: 'outrigger.dev/v1', kind: 'Service' },
  ...{ metadata: { name, namespace: 'shop' }, spec: { ports } },
});
const documents = [
  service('orders', [{ name: 'http', port: 80, targetPort: 9000, appProtocol: 'http' }]),
  service('desk', [{ name: 'http', port: 80 }]),
];

describe('intercepted, and something is wrong', () => {
  const stage = new Stage();
  let mesh: InterceptedMesh;
  let orders: InterceptedHost;
  let desk: InterceptedHost;
  let clean: string;

  beforeAll(async () => {
    mesh = new InterceptedMesh(stage);
    await mesh.start(documents);
    orders = mesh.host('orders');
    desk = mesh.host('desk');
    clean = await desk.snapshot();
    const listen = ['--http', '[::]:9000', '--grpc', '127.0.0.1:0', '--instance', 'orders'];
    await orders.program('app', [peer('backend'), ...listen]).line(/"http"/);
    await orders.install('redirect', 'nftables');
    await orders.sidecar('orders', { mode: 'redirect', appPorts: [9000] });
  }, 60_000);
  afterAll(async () => {
    await stage.stop();
    mesh.remove();
  });

  const oneLine = ({ code, stderr }: Output): string => {
    expect(code).not.toBe(0);
    const lines = stderr.split('\n').filter((line) => line !== '');
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/^outrigger: /);
    return lines[0]!;
  };
  const call = async (): Promise<string> => {
    const address = await mesh.addressOf('orders', 'IPv4');
    const { status, text, error } = await desk.call({ how: 'http', host: address, port: 80, name: 'orders.shop' });
    return status === 200 ? 'answered' : `${status} ${error} ${text}`;
  };
  /** Of the sidecar's own words until it ends. */
  const fails = async (words: readonly string[]): Promise<string> => {
    const program = desk.program('sidecar', words);
    expect(await program.exited).toBe('exit code 1');
    await program.logged;
    return program.output;
  };

  it('no permission: nothing is installed', async () => {
    const as = ['setpriv', '--reuid', '4242', '--regid', '4242', '--clear-groups'];
    const reads = ['--inh-caps', '+dac_read_search', '--ambient-caps', '+dac_read_search'];
    for (const backend of ['nftables', 'iptables']) {
      const words = [...as, ...reads, outriggerProgram, 'intercept', 'install', '--backend', backend];
      expect(oneLine(await desk.run(words))).toMatch(/NET_ADMIN|root/);
    }
    expect(await desk.snapshot()).toBe(clean);
  });

  it("the application runs as the sidecar's user: refused, as its traffic would pass by", async () => {
    expect(oneLine(await desk.intercept('install', '--app-uid', '1000,1337'))).toContain('1337');
    expect(await desk.snapshot()).toBe(clean);
  });

  it('a join token that is not good: the sidecar ends and says what is', async () => {
    const tokenFile = stage.file('token-bad', 'not-a-token\n');
    await desk.install('redirect', 'iptables');
    const command = desk.sidecarCommand('desk', tokenFile, { mode: 'redirect', appPorts: [] });
    expect(await fails(command)).toMatch(/this sidecar of shop\/desk gets no certificate: .*identity token create/);
  });

  it("a port of the sidecar's is taken: it ends and says by whom; nobody is sent there", async () => {
    const tokenFile = await mesh.tokenFile('desk', 10);
    const holder = desk.program('holder', [
      ...[process.execPath, '-e'],
      "require('node:net').createServer().listen(15001, '127.0.0.1', () => console.log('holds'))",
    ]);
    await holder.line(/holds/);
    // The rules say so, too.
    expect((await desk.intercept('install', '--backend', 'nftables')).stderr).toMatch(/15001/);
    const command = desk.sidecarCommand('desk', tokenFile, { mode: 'redirect', appPorts: [] });
    const said = await fails(command);
    await holder.stop();
    // Another user's processes are not the sidecar's to look into.
    expect(said).toMatch(/cannot listen on 127\.0\.0\.1:15001: the port is taken by (?:another process|pid \d+)/);
    const rows = await mesh.get<{ readonly service: string }>('endpoints');
    expect(rows.filter((row) => row.service === 'shop/desk')).toEqual([]);
  });

  it('the sidecar runs as another user than the rules leave alone: it says that it does not reach the control plane', async () => {
    const tokenFile = await mesh.tokenFile('desk', 10);
    const command = desk
      .sidecarCommand('desk', tokenFile, { mode: 'redirect', appPorts: [] })
      .map((word) => (word === '1337' ? '4242' : word));
    const program = desk.program('sidecar', command);
    await program.line(/10\.78\.0\.1:15012/);
    expect(program.ended).toBeNull();
    // The rules can be made for it.
    await desk.install('redirect', 'nftables', '--proxy-uid', '4242', '--proxy-gid', '4242');
    await program.line(/ready after/);
    await waitFor('orders to be reached', 20_000, async () => (await call()) === 'answered', 200);
    await program.stop();
  });

  it('TPROXY without the right to it: the sidecar says what it lacks', async () => {
    const tokenFile = await mesh.tokenFile('desk', 10);
    await desk.install('tproxy', 'nftables');
    const command = desk
      .sidecarCommand('desk', tokenFile, { mode: 'tproxy', appPorts: [] })
      .map((word) => word.replace(',+net_admin', ''));
    expect(await fails(command)).toMatch(/NET_ADMIN/);
  });

  it('half of the rules are gone: show tells, and install mends them, under a sidecar that runs', async () => {
    await desk.install('redirect', 'nftables');
    await desk.sidecar('desk', { mode: 'redirect', appPorts: [] });
    await waitFor('orders to be reached', 20_000, async () => (await call()) === 'answered', 200);
    const whole = await desk.snapshot();
    await desk.output(['nft', 'flush', 'chain', 'inet', 'outrigger', 'outbound']);
    expect((await desk.intercept('show')).code).toBe(1);
    // An address that is nobody's: without rules nothing answers there.
    expect(await call()).not.toBe('answered');
    await desk.install('redirect', 'nftables');
    expect(await desk.snapshot()).toBe(whole);
    expect((await desk.intercept('show')).code).toBe(0);
    expect(await call()).toBe('answered');
  });

  it('the sidecar is gone: nothing slips past the rules in plaintext, and when they are removed too all is as before', async () => {
    await desk.sidecarProgram.stop();
    expect(await call()).toMatch(/ECONNREFUSED/);
    expect((await desk.intercept('remove')).code).toBe(0);
    expect(await desk.snapshot()).toBe(clean);
    // It goes directly, and is no part of the mesh any more.
    const direct = { how: 'http', host: orders.addresses.IPv4, port: 9000, name: 'orders.shop' } as const;
    expect((await desk.call(direct)).status).toBe(403);
  });
});
