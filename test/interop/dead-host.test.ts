/**
 * One of ten hosts dies without a word: its packets vanish, no connection is closed. Real network namespaces; the caller's sidecar has nothing but what the control plane sends it, with the
 * defaults, and with a policy that limits what one try may take.
 */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { waitFor } from '../peers/started-program.ts';
import { PodNetwork } from './chaos/pod-network.ts';
import type { Json } from './envoy-resources.ts';
import { mesh } from './mesh-configuration.ts';
import { isGood, type OpenLoop, type Sent } from './open-loop.ts';
import { outriggerProgram, Stage } from './programs.ts';

const here = dirname(fileURLToPath(import.meta.url));
const addresses = Array.from({ length: 10 }, (_, i) => `10.88.0.${i + 1}`);
const dying = addresses[3]!;
const outbound = 15001;
const perSecond = 250;
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

describe.each([
  ['with the defaults', null],
  [
    'with a limit for one try',
    { timeouts: { perTry: '300ms' }, retries: { attempts: 2, on: ['connect-failure', 'gateway-error', 'reset'] } },
  ],
] as const)('a host that dies without closing, one of ten, %s', (what, policy) => {
  const stage = new Stage();
  let network: PodNetwork;

  beforeAll(async () => {
    network = new PodNetwork(['caller', 'hosts']);
    for (const address of addresses) network.addAddress('hosts', address);
    const hosts = stage.start(
      'hosts',
      network.inside('hosts', [process.execPath, join(here, 'hosts-program.ts'), '8080', String(tookMs), ...addresses]),
    );
    await hosts.line(/(listening)/);
    const config = stage.file('mesh.yaml', document('http', policy as Json | null));
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
    await waitFor('the hosts to answer', 20_000, async () => (await load({ ...toOrders, seconds: 0.1 })).every(isGood));
  }, 60_000);
  afterAll(async () => {
    await stage.stop();
    network.remove();
  });

  const toOrders: OpenLoop = { port: outbound, host: 'orders.shop', perSecond, seconds };

  /** From inside of the caller's namespace. */
  async function load(of: OpenLoop): Promise<readonly Sent[]> {
    const file = join(stage.folder, 'logs', 'sent.json');
    const words = [process.execPath, join(here, 'open-loop-program.ts'), JSON.stringify(of), file];
    await stage.start('load', network.inside('caller', words)).exited;
    return JSON.parse(readFileSync(file, 'utf8')) as readonly Sent[];
  }

  it('costs hardly a request, and none from two seconds on', async () => {
    let diedMs = 0;
    const beganMs = performance.now();
    const dies = setTimeout(() => {
      diedMs = performance.now() - beganMs;
      network.drop(null, dying);
      network.drop(dying, null);
    }, quietSeconds * 1000);
    const sent = await load(toOrders);
    clearTimeout(dies);
    network.pass(null, dying);
    network.pass(dying, null);
    // By when a request ended: that is when its caller learned of it.
    const failed = sent.filter((each) => !isGood(each));
    const later = sent.filter(({ atMs }) => atMs >= diedMs + 2_000);
    const timeline = Array.from({ length: seconds * 2 }, (_, i) => {
      const slice = sent.filter(({ atMs }) => atMs >= i * 500 && atMs < (i + 1) * 500);
      return `${slice.filter((each) => !isGood(each)).length}/${slice.length}`;
    });
    console.log(
      `${what}: ${sent.length} requests, ${failed.length} failed; the host died at ${(diedMs / 1000).toFixed(1)} s; failed of sent, by half seconds of when they were sent: ${timeline.join(' ')}; slowest good answer ${Math.max(...sent.filter(isGood).map((each) => each.tookMs)).toFixed(0)} ms; of those sent later than 2 s after: ${later.filter((each) => !isGood(each)).length} of ${later.length}`,
    );
    expect(later.filter((each) => !isGood(each)).length / later.length).toBeLessThan(0.001);
  }, 90_000);
});
