/**
 * One of ten hosts dies without a word: its packets vanish, no connection is closed. Real network namespaces; the caller's sidecar has nothing but what the control plane sends it, with the
 * defaults, and with a policy that limits what one try may take; by HTTP/1.1, and by HTTP/2, where one connection has all requests of a host.
 */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type StartedProgram, waitFor } from '../peers/started-program.ts';
import { PodNetwork } from './chaos/pod-network.ts';
import type { Json } from './envoy-resources.ts';
import { mesh } from './mesh-configuration.ts';
import { isGood, type OpenLoop, type Sent } from './open-loop.ts';
import type { Loaded } from './open-loop-program.ts';
import { outriggerProgram, Stage } from './programs.ts';

const here = dirname(fileURLToPath(import.meta.url));
const addresses = Array.from({ length: 10 }, (_, i) => `10.88.0.${i + 1}`);
const dying = addresses[3]!;
const outbound = 15001;
const perSecond = 250;
/** Of these. They are not safe to send again. */
const postsPerSecond = 50;
const tookMs = 20;
/** It dies after so long, and the load goes on for the rest. */
const quietSeconds = 2;
const seconds = 9;

const document = (protocol: string, policy: Json | null): string =>
  mesh(
    {
      apiVersion: 'outrigger.dev/v1',
      kind: 'Service',
      metadata: { name: 'orders', namespace: 'shop' },
      spec: {
        ports: [{ name: 'main', port: 80, appProtocol: protocol }],
        endpoints: addresses.map((address) => ({ address, port: 8080 })),
      },
    },
    ...(policy === null
      ? []
      : [
          {
            apiVersion: 'outrigger.dev/v1',
            kind: 'TrafficPolicy',
            metadata: { name: 'orders', namespace: 'shop' },
            spec: { targetRefs: [{ kind: 'Service', name: 'orders' }], ...policy },
          },
        ]),
  );

const perTry = {
  timeouts: { perTry: '300ms' },
  retries: { attempts: 2, on: ['connect-failure', 'gateway-error', 'reset'] },
};

describe.each([
  ['http', 'with the defaults', null],
  ['http2', 'with the defaults', null],
  ['http', 'with a limit for one try', perTry],
] as const)('a host that dies without closing, one of ten (%s), %s', (protocol, what, policy) => {
  const stage = new Stage();
  let network: PodNetwork;
  let hosts: StartedProgram;
  let sidecarOutput = (): string => '';

  beforeAll(async () => {
    network = new PodNetwork(['caller', 'hosts']);
    for (const address of addresses) network.addAddress('hosts', address);
    hosts = stage.start(
      'hosts',
      network.inside('hosts', [
        ...[process.execPath, join(here, 'hosts-program.ts'), protocol],
        ...['8080', String(tookMs), ...addresses],
      ]),
    );
    await hosts.line(/(listening)/);
    const config = stage.file('mesh.yaml', document(protocol, policy as Json | null));
    const inCaller = (name: string, words: readonly string[]): ReturnType<Stage['start']> =>
      stage.start(name, network.inside('caller', [outriggerProgram, ...words]));
    const controlPlane = inCaller('control-plane', [
      ...['control-plane', '--config', config, '--listen-tls', 'off', '--data-dir', join(stage.folder, 'data')],
    ]);
    await controlPlane.line(/(serving xDS)/);
    const sidecar = inCaller('sidecar', [
      ...['sidecar', '--service', 'shop/storefront', '--app-port', '9', '--no-register', '--listen-metrics', 'off'],
      ...['--control-plane', '127.0.0.1:15010'],
    ]);
    await sidecar.line(/(ready after)/);
    sidecarOutput = () => sidecar.output;
    await waitFor('the hosts to answer', 20_000, async () => (await load({ ...toOrders, seconds: 0.1 })).every(isGood));
  }, 60_000);
  afterAll(async () => {
    await stage.stop();
    network.remove();
  });

  const toOrders: OpenLoop = { port: outbound, host: 'orders.shop', perSecond, seconds };

  /** From inside of the caller's namespace. What was sent is told by the wall clock. */
  async function load(of: OpenLoop, onBegin = (): void => {}): Promise<readonly Sent[]> {
    const method = of.method ?? 'GET';
    const file = join(stage.folder, 'logs', `sent-${method}.json`);
    const words = [process.execPath, join(here, 'open-loop-program.ts'), JSON.stringify(of), file];
    const program = stage.start(`load-${method}`, network.inside('caller', words));
    await program.line(/(begins)/);
    onBegin();
    await program.exited;
    const { beganMs, sent } = JSON.parse(readFileSync(file, 'utf8')) as Loaded;
    return sent.map((each) => ({ ...each, atMs: beganMs + each.atMs }));
  }

  it('costs hardly a request, and none from two seconds on', async () => {
    let diedMs = 0;
    const dies = (): void => {
      network.drop(null, dying);
      network.drop(dying, null);
      diedMs = Date.now();
    };
    const [gets, posts] = await Promise.all([
      load({ ...toOrders, perSecond: perSecond - postsPerSecond }, () => setTimeout(dies, quietSeconds * 1000)),
      load({ ...toOrders, perSecond: postsPerSecond, method: 'POST' }),
    ]);
    network.pass(null, dying);
    network.pass(dying, null);
    const sent = [...gets, ...posts].map((each) => ({ ...each, atMs: each.atMs - diedMs }));
    const failed = sent.filter((each) => !isGood(each));
    const later = sent.filter(({ atMs }) => atMs >= 2_000);
    /** When a caller knew that it had failed: an error there, too, is one of that time. */
    const told = failed.map(({ atMs, tookMs: ms }) => atMs + ms);
    const failures = (of: readonly Sent[]): number => of.filter((each) => !isGood(each)).length;
    console.log(
      [
        `${protocol}, ${what}: ${sent.length} requests, ${failed.length} failed (${failures(gets)} GET, ${failures(posts)} POST); of those sent later than 2 s after the death ${failures(later)} of ${later.length}`,
        ...tenths(sent),
      ].join('\n'),
    );
    expect(failures(later) / later.length).toBeLessThan(0.001);
    // What may be sent again is, as far as the retry budget goes (by HTTP/2 all that was under way to the host fails at once), and what may not fails soon: not with the request's own time limit, which is 15 s.
    expect(failures(gets)).toBeLessThanOrEqual(10);
    expect(Math.max(0, ...told)).toBeLessThan(2_500);
    // Node's own, of what it is asked with.
    expect(sidecarOutput()).not.toContain('Warning');
  }, 90_000);

  // A limit for one try ends these.
  it.runIf(policy === null)(
    'is not confused with one whose processes stand still: that is waited for',
    async () => {
      await waitFor('the host to be back', 60_000, async () => !(await ejected()));
      const onBegin = (): void => {
        setTimeout(() => hosts.signal('SIGSTOP'), 1_000);
        setTimeout(() => hosts.signal('SIGCONT'), 5_000);
      };
      const told = sidecarOutput().split('gone without a word').length;
      const sent = await load({ ...toOrders, perSecond: 20, seconds: 7, method: 'POST' }, onBegin);
      console.log(
        `${protocol}, ${what}: hosts stood still for 4 s, ${sent.filter((each) => !isGood(each)).length} of ${sent.length} failed, the slowest answer took ${Math.max(...sent.map(({ tookMs: ms }) => ms)).toFixed(0)} ms`,
      );
      expect(sent.every(isGood)).toBe(true);
      expect(sidecarOutput().split('gone without a word')).toHaveLength(told);
    },
    120_000,
  );

  async function ejected(): Promise<boolean> {
    const script =
      "fetch('http://127.0.0.1:15000/stats?filter=ejections_active').then((a) => a.text()).then(console.log)";
    const program = stage.start('admin', network.inside('caller', [process.execPath, '-e', script]));
    await program.exited;
    await program.logged;
    return /ejections_active: [1-9]/.test(program.output);
  }
});

/** Tenths of a second, from the death on, in which a request began that failed or took long, or in which a caller was told of a failure. */
function tenths(sent: readonly Sent[]): string[] {
  const tenth = (ms: number): number => Math.floor(ms / 100);
  return Array.from({ length: (seconds - quietSeconds + 16) * 10 }, (_, at) => {
    const begun = sent.filter(({ atMs }) => tenth(atMs) === at);
    const slow = begun.filter(({ tookMs: ms }) => ms > 500);
    const told = sent.filter((each) => !isGood(each) && tenth(each.atMs + each.tookMs) === at);
    if (slow.length === 0 && told.length === 0) return '';
    const longest = Math.max(0, ...slow.map(({ tookMs: ms }) => ms));
    return `  ${(at / 10).toFixed(1)} s after: ${begun.length} sent, ${begun.filter((each) => !isGood(each)).length} of them failed in the end, ${slow.length} took more than 0.5 s (${longest.toFixed(0)} ms at most); ${told.length} callers were told of a failure`;
  }).filter((line) => line !== '');
}
