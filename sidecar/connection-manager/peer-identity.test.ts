/** What the client's certificate changes for the requests of its connection: x-forwarded-client-cert, metrics, access log. */

import { describe, expect, test } from 'vitest';
import { linesTo } from '../access-log/test/lines-to.ts';
import type { HeaderFields } from '../codec/header-fields.ts';
import type { ForwardClientCertConfig, HttpConnectionManagerConfig } from '../config/listener-config.ts';
import { FakeSocket, turn } from '../http1/test/fake-socket.ts';
import { Log } from '../runtime/log.ts';
import { StatStore } from '../stats/stat-store.ts';
import { HttpConnectionManager } from './http-connection-manager.ts';
import type { DownstreamConnectionInfo } from './http-context.ts';
import { anyPath, forward, managerConfig, route, routeTable } from './test/configs.ts';
import { FakeCluster } from './test/fake-peers.ts';
import { ManualTime } from './test/manual-time.ts';
import { answer, connectionInfo } from './test/stream-rig.ts';

const plaintext: DownstreamConnectionInfo = { ...connectionInfo, direction: 'inbound' };
const tlsOnly: DownstreamConnectionInfo = { ...plaintext, secure: true, tlsVersion: 'TLSv1.3' };
const mutual: DownstreamConnectionInfo = {
  ...tlsOnly,
  peer: { uris: ['spiffe://td/ns/shop/sa/storefront'], dnsNames: [], subject: '', sha256: 'ab' },
  peerService: 'shop/storefront',
  localUri: 'spiffe://td/ns/shop/sa/orders',
};
const ours = 'By=spiffe://td/ns/shop/sa/orders;Hash=ab;URI=spiffe://td/ns/shop/sa/storefront';

class Rig {
  readonly stats = new StatStore();
  readonly cluster = new FakeCluster();
  readonly lines: string[] = [];
  readonly manager: HttpConnectionManager;

  constructor(config: Partial<HttpConnectionManagerConfig> = {}) {
    const time = new ManualTime();
    const logs = [{ sink: { kind: 'stdout', format: { kind: 'default' } }, filter: null }] as const;
    const table = routeTable([route('r', anyPath, forward('app'))]);
    this.manager = new HttpConnectionManager(
      managerConfig(table, { codec: 'http1', accessLogs: logs, ...config }),
      {
        clusters: { cluster: () => this.cluster },
        routeTables: { routeTable: () => undefined },
        stats: this.stats,
        clock: time,
        wheel: time.wheel,
        random: () => 0,
        log: new Log(time, 'off', false, () => {}),
        localService: 'shop/orders',
        accessLogSinks: linesTo(this.lines),
      },
      'inbound',
      1_048_576,
    );
  }

  /** One request on a connection of its own; gives its fields as the service gets them. */
  async request(info: DownstreamConnectionInfo, fields = ''): Promise<HeaderFields> {
    const socket = new FakeSocket();
    this.manager.accept(socket.asSocket, info);
    await socket.feed(`GET / HTTP/1.1\r\nHost: a\r\n${fields}\r\n`);
    const upstream = this.cluster.last;
    upstream.receiver.onHead(answer(204), true);
    await turn();
    return upstream.head!.fields;
  }
}

const two = 'X-Forwarded-Client-Cert: By=a;Hash=1\r\nx-forwarded-client-cert: By=b;Hash=2\r\n';

describe('x-forwarded-client-cert (Envoy: forward_client_cert_details)', () => {
  const config = (mode: ForwardClientCertConfig['mode']): Partial<HttpConnectionManagerConfig> => ({
    forwardClientCert: { mode, subject: false, uri: true, dns: false },
  });
  const seen = async (
    given: Partial<HttpConnectionManagerConfig>,
    info: DownstreamConnectionInfo,
    fields = two,
  ): Promise<string[]> => [...(await new Rig(given).request(info, fields)).getAll('x-forwarded-client-cert')];

  test.each([
    ['nothing said', {}],
    ['SANITIZE', config('sanitize')],
  ] as const)('%s: it goes, whoever sent it', async (_what, given) => {
    for (const info of [plaintext, tlsOnly, mutual]) expect(await seen(given, info)).toEqual([]);
  });

  test.each(['forward-only', 'append-forward', 'sanitize-set'] as const)(
    '%s: who showed no certificate tells nothing of others',
    async (mode) => {
      for (const info of [plaintext, tlsOnly]) expect(await seen(config(mode), info)).toEqual([]);
    },
  );

  test('FORWARD_ONLY keeps what a client with a certificate sent, as it is', async () => {
    expect(await seen(config('forward-only'), mutual)).toEqual(['By=a;Hash=1', 'By=b;Hash=2']);
    expect(await seen(config('forward-only'), mutual, '')).toEqual([]);
  });

  test('APPEND_FORWARD adds an element for this hop', async () => {
    expect(await seen(config('append-forward'), mutual)).toEqual([`By=a;Hash=1,By=b;Hash=2,${ours}`]);
    expect(await seen(config('append-forward'), mutual, '')).toEqual([ours]);
  });

  test('SANITIZE_SET says only what this hop knows, also when the client lists the field as one of this hop', async () => {
    expect(await seen(config('sanitize-set'), mutual)).toEqual([ours]);
    expect(await seen(config('sanitize-set'), mutual, 'Connection: x-forwarded-client-cert\r\n')).toEqual([ours]);
  });

  test('ALWAYS_FORWARD_ONLY keeps it from anybody', async () => {
    for (const info of [plaintext, mutual])
      expect(await seen(config('always-forward-only'), info)).toEqual(['By=a;Hash=1', 'By=b;Hash=2']);
  });
});

describe('metrics', () => {
  const sources = ({ stats }: Rig): unknown =>
    Object.fromEntries(
      [...stats.counters.values()]
        .filter(({ family }) => family === 'outrigger_requests_total')
        .map(({ labels, value }) => [labels['source'], value]),
    );

  test('know a caller by its verified identity, and nobody else', async () => {
    const rig = new Rig();
    for (const info of [mutual, mutual, tlsOnly, plaintext]) await rig.request(info);
    expect(sources(rig)).toEqual({ 'shop/storefront': 2, unknown: 2 });
  });

  test('have a label for so many callers only', async () => {
    const rig = new Rig();
    for (let i = 0; i < 210; i++) await rig.request({ ...mutual, peerService: `shop/caller-${i}` });
    expect(Object.keys(sources(rig) as object)).toHaveLength(201);
    expect(sources(rig)).toMatchObject({ overflow: 10 });
  });

  test('count inbound connections by how they are secured', async () => {
    const rig = new Rig();
    for (const info of [mutual, plaintext, tlsOnly, plaintext]) await rig.request(info);
    const counted = [...rig.stats.counters.values()].filter(
      ({ family }) => family === 'outrigger_inbound_connections_total',
    );
    expect(Object.fromEntries(counted.map(({ labels, value }) => [labels['security'], value]))).toEqual({
      mutual_tls: 1,
      tls: 1,
      plaintext: 2,
    });
  });
});

test('the access log names the peer', async () => {
  const operators = '%DOWNSTREAM_PEER_URI_SAN% %DOWNSTREAM_LOCAL_URI_SAN% %DOWNSTREAM_TLS_VERSION%';
  const rig = new Rig({
    accessLogs: [
      { sink: { kind: 'stdout', format: { kind: 'text', text: operators, omitEmpty: false } }, filter: null },
      { sink: { kind: 'stdout', format: { kind: 'default' } }, filter: null },
    ],
  });
  await rig.request(mutual);
  await rig.request(plaintext);
  expect(rig.lines[0]).toBe('spiffe://td/ns/shop/sa/storefront spiffe://td/ns/shop/sa/orders TLSv1.3');
  expect(rig.lines[2]).toBe('- - -');
  expect([rig.lines[1], rig.lines[3]].map((line) => JSON.parse(line!)['downstream_peer'])).toEqual([
    'spiffe://td/ns/shop/sa/storefront',
    null,
  ]);
});
