/** The stream of one secret, message by message, on a clock of its own; test/integration/spire.test.ts has the whole over real sockets. */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  type DeltaDiscoveryRequest,
  DeltaDiscoveryRequestSchema,
  DeltaDiscoveryResponseSchema,
  type DiscoveryRequest,
  DiscoveryRequestSchema,
  DiscoveryResponseSchema,
} from '../../../proto/generated/envoy/service/discovery/v3/discovery_pb.js';
import type { SecretReference, SecretServiceSource } from '../../config/tls-config.ts';
import { Log } from '../../runtime/log.ts';
import { TimerWheel } from '../../runtime/timer-wheel.ts';
import { SecretStore } from '../../secret/secret-store.ts';
import { StatStore } from '../../stats/stat-store.ts';
import { forged, orders, storefront } from '../../transport/test/certificates.ts';
import type { AdsStreamEvents } from '../ads/ads-client.ts';
import { certificateBytes, typeUrls } from '../ads/test/mesh-resources.ts';
import { SecretServices } from './secret-services.ts';

const typeUrl = typeUrls.secret;
let nowMs: number;
let wheel: TimerWheel;
let secrets: SecretStore;
let services: SecretServices;
let sent: Uint8Array[];
let events: AdsStreamEvents[];
let paths: string[];
let lines: string[];
let reachable: boolean;

function reference(variant: 'sotw' | 'delta'): SecretReference {
  const source: SecretServiceSource = {
    kind: 'sds-service',
    variant,
    clusterName: 'agent',
    authority: 'agent',
    initialMetadata: [],
    initialFetchTimeoutMs: 5_000,
  };
  return { name: 'default', key: 'k', source };
}

beforeEach(() => {
  nowMs = 1_000;
  const clock = { nowMs: () => nowMs, wallMs: () => nowMs };
  wheel = new TimerWheel(clock, () => () => {});
  secrets = new SecretStore(clock);
  [sent, events, paths, lines, reachable] = [[], [], [], [], true];
  services = new SecretServices({
    node: { id: 'node-1', cluster: '', region: '', zone: '', subZone: '', metadata: {} },
    secrets,
    transport: () => ({
      open: (path, heard) => {
        paths.push(path);
        if (!reachable) {
          heard.onEnd('connection refused');
          return { send: () => {}, close: () => {} };
        }
        events.push(heard);
        return { send: (message) => sent.push(message), close: () => {} };
      },
    }),
    clock,
    wheel,
    random: () => 0.5,
    log: new Log(clock, 'info', true, (line) => lines.push(line)),
    stats: new StatStore(),
  });
});

function pass(ms: number): void {
  nowMs += ms;
  wheel.advance();
}

const turn = (): Promise<void> => Promise.resolve();
const sotw = (): DiscoveryRequest => fromBinary(DiscoveryRequestSchema, sent.at(-1)!);
const delta = (): DeltaDiscoveryRequest => fromBinary(DeltaDiscoveryRequestSchema, sent.at(-1)!);

function answer(version: string, bytes: Uint8Array): void {
  const response = { typeUrl, versionInfo: version, nonce: `n${version}`, resources: [{ typeUrl, value: bytes }] };
  events.at(-1)!.onMessage(toBinary(DiscoveryResponseSchema, create(DiscoveryResponseSchema, response)));
}

describe('the stream of a secret', () => {
  it('asks, acknowledges, refuses with the last good version, and begins anew after a break', async () => {
    services.want([reference('sotw')]);
    await turn();
    expect(paths).toEqual(['/envoy.service.secret.v3.SecretDiscoveryService/StreamSecrets']);
    expect(sotw()).toMatchObject({ typeUrl, resourceNames: ['default'], versionInfo: '', node: { id: 'node-1' } });
    answer('1', certificateBytes('default', orders));
    expect(sotw()).toMatchObject({ versionInfo: '1', responseNonce: 'n1', resourceNames: ['default'] });
    expect(secrets.get('k')).toMatchObject({ name: 'default', version: '1' });
    answer('2', certificateBytes('default', { chainPem: orders.chainPem, keyPem: forged.keyPem }));
    expect(sotw()).toMatchObject({ versionInfo: '1', responseNonce: 'n2', errorDetail: { code: 3 } });
    expect(secrets.get('k')!.version).toBe('1');
    expect(secrets.refusal('k')).toContain('does not belong to the certificate');
    events.at(-1)!.onEnd('it ended the stream');
    pass(200);
    expect(paths).toHaveLength(2);
    expect(sotw()).toMatchObject({ responseNonce: '', node: { id: 'node-1' } });
    answer('3', certificateBytes('default', storefront));
    expect(secrets.get('k')!.version).toBe('3');
  });

  it('is waited for until it is here, is refused, or had its time', async () => {
    let settled = 0;
    services.onSettled = () => settled++;
    const one = reference('sotw');
    services.want([one]);
    await turn();
    expect(services.settled(one)).toBe(false);
    pass(5_100);
    expect([services.settled(one), settled]).toEqual([true, 1]);
    answer('1', certificateBytes('default', orders));
    expect(settled).toBe(1);
    services.want([]);
    expect(secrets.get('k')).toBeUndefined();
    services.want([one]);
    await turn();
    answer('1', certificateBytes('default', { ...orders, keyPem: 'x' }));
    expect(services.settled(one)).toBe(true);
    services.close();
    expect(wheel.armedCount).toBe(0);
  });

  it('waits longer from one failure to the next, and tells the first of them', async () => {
    reachable = false;
    services.want([reference('sotw')]);
    await turn();
    const delays: number[] = [];
    for (let i = 0; i < 8; i++) {
      const [before, startMs] = [paths.length, nowMs];
      while (paths.length === before) pass(10);
      delays.push(nowMs - startMs);
    }
    for (let i = 1; i < 3; i++) expect(delays[i]!).toBeGreaterThan(delays[i - 1]! * 1.3);
    expect(Math.max(...delays)).toBeLessThan(5_500);
    expect(lines.filter((line) => line.includes('connection refused'))).toHaveLength(1);
  });

  it.each(['no message', ''])('does not use, nor quote, what is no answer', async (text) => {
    services.want([reference('sotw')]);
    await turn();
    const response = { typeUrl: 'type.googleapis.com/x', nonce: '1' };
    const bytes =
      text === ''
        ? toBinary(DiscoveryResponseSchema, create(DiscoveryResponseSchema, response))
        : Buffer.from(`\u000a${text}KEYTEXT`);
    events.at(-1)!.onMessage(bytes);
    expect(secrets.get('k')).toBeUndefined();
    expect(lines).toHaveLength(1);
    expect(lines.join()).not.toContain('KEYTEXT');
  });

  it('speaks the incremental form too: a secret that is taken away goes on', async () => {
    const one = reference('delta');
    services.want([one]);
    await turn();
    expect(paths).toEqual(['/envoy.service.secret.v3.SecretDiscoveryService/DeltaSecrets']);
    expect(delta()).toMatchObject({ resourceNamesSubscribe: ['default'], initialResourceVersions: {} });
    const send = (nonce: string, more: object): void =>
      events
        .at(-1)!
        .onMessage(
          toBinary(DeltaDiscoveryResponseSchema, create(DeltaDiscoveryResponseSchema, { typeUrl, nonce, ...more })),
        );
    const value = certificateBytes('default', orders);
    send('1', { resources: [{ name: 'default', version: 'a', resource: { typeUrl, value } }] });
    expect(delta()).toMatchObject({ responseNonce: '1', resourceNamesSubscribe: [] });
    send('2', { removedResources: ['default'] });
    expect(delta()).toMatchObject({ responseNonce: '2' });
    expect(secrets.get('k')!.version).toBe('a');
  });
});
