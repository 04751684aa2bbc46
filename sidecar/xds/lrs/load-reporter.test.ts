/** LRS against a gRPC server that is not ours (node:http2). The calls of the reporter itself are the load that it tells of. */
import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { afterEach, expect, test } from 'vitest';
import { ManualTime } from '../../connection-manager/test/manual-time.ts';
import { GrpcPeer, type PeerCall } from '../../grpc/test/grpc-peer.ts';
import { Log } from '../../runtime/log.ts';
import {
  type LoadStatsRequest,
  LoadStatsRequestSchema,
  LoadStatsResponseSchema,
} from '../api/envoy/service/load_stats/v3/lrs_pb.js';
import { LoadReporter } from './load-reporter.ts';

const time = new ManualTime();
let peer: GrpcPeer;
let reporter: LoadReporter;
let lines: string[];

afterEach(async () => {
  reporter.close();
  await peer.close();
});

/** Messages as they come, with the call that they came on. */
class Heard {
  readonly all: Array<{ readonly call: PeerCall; readonly request: LoadStatsRequest }> = [];
  #waiting: Array<() => void> = [];

  add(call: PeerCall, message: Buffer): void {
    this.all.push({ call, request: fromBinary(LoadStatsRequestSchema, message) });
    for (const wake of this.#waiting.splice(0)) wake();
  }

  async nth(number: number): Promise<{ readonly call: PeerCall; readonly request: LoadStatsRequest }> {
    while (this.all.length < number) await new Promise<void>((resolve) => void this.#waiting.push(resolve));
    return this.all[number - 1]!;
  }
}

function wish(fields: MessageInitShape<typeof LoadStatsResponseSchema>): Uint8Array {
  return toBinary(LoadStatsResponseSchema, create(LoadStatsResponseSchema, fields));
}

async function start(onMessage?: (call: PeerCall) => void): Promise<Heard> {
  const heard = new Heard();
  lines = [];
  peer = await GrpcPeer.start({
    onMessage: (call, message) => {
      heard.add(call, message);
      onMessage?.(call);
    },
  });
  reporter = new LoadReporter({
    source: { variant: 'sotw', clusterName: 'xds', authority: 'loads', initialMetadata: [['x-a', 'b']] },
    node: { id: 'one', cluster: 'shop/orders', region: 'r', zone: 'z', subZone: '', metadata: {} },
    clusters: peer.clusters,
    clock: time,
    wheel: time.wheel,
    random: () => 0.5,
    log: new Log(time, 'debug', true, (line) => lines.push(line)),
    stats: peer.stats,
  });
  reporter.start();
  return heard;
}

test('says who it is and what it can, hears the interval, and reports with it', async () => {
  const heard = await start();
  const { call, request } = await heard.nth(1);
  expect([call.path, call.headers[':authority'], call.headers['x-a']]).toEqual([
    '/envoy.service.load_stats.v3.LoadReportingService/StreamLoadStats',
    'loads',
    'b',
  ]);
  expect(request.node).toMatchObject({ id: 'one', cluster: 'shop/orders', locality: { zone: 'z' } });
  expect(request.node!.clientFeatures).toEqual(['envoy.lrs.supports_send_all_clusters']);
  expect(request.clusterStats).toEqual([]);
  call.send(wish({ sendAllClusters: true, loadReportingInterval: { seconds: 5n }, reportEndpointGranularity: true }));
  const { request: report } = await time.passUntil(heard.nth(2));
  expect(report.node).toBeUndefined();
  const [stats] = report.clusterStats;
  expect(stats).toMatchObject({ clusterName: 'xds', loadReportInterval: { seconds: 5n } });
  const [locality] = stats!.upstreamLocalityStats;
  expect(locality).toMatchObject({ totalRequestsInProgress: 1n, totalIssuedRequests: 0n });
  expect(locality!.upstreamEndpointStats[0]!.address!.address.value).toMatchObject({ address: '127.0.0.1' });
  const { request: next } = await time.passUntil(heard.nth(3));
  expect(next.clusterStats[0]!.loadReportInterval!.seconds).toBe(5n);
});

test('reports only clusters that are asked for, without hosts unless they are', async () => {
  const heard = await start();
  const { call } = await heard.nth(1);
  call.send(wish({ clusters: ['other'], loadReportingInterval: { seconds: 1n } }));
  expect((await time.passUntil(heard.nth(2))).request.clusterStats).toEqual([]);
  call.send(wish({ clusters: ['xds'], loadReportingInterval: { seconds: 1n } }));
  let number = 3;
  while ((await time.passUntil(heard.nth(number))).request.clusterStats.length === 0) number++;
  expect(heard.all[number - 1]!.request.clusterStats[0]!.upstreamLocalityStats[0]!.upstreamEndpointStats).toEqual([]);
});

test('an interval of nothing is a second (ours: a server must not keep a proxy busy)', async () => {
  const heard = await start();
  const { call } = await heard.nth(1);
  const before = time.nowMs();
  call.send(wish({ sendAllClusters: true }));
  await time.passUntil(heard.nth(2));
  expect(time.nowMs() - before).toBeGreaterThanOrEqual(1_000);
});

test('comes back when the stream ends, and tells what came meanwhile', async () => {
  let calls = 0;
  const heard = await start((call) => {
    if (++calls > 1) return;
    call.send(wish({ sendAllClusters: true, loadReportingInterval: { seconds: 1n } }));
    call.end(0);
  });
  const { call, request } = await time.passUntil(heard.nth(2));
  expect(request.node!.id).toBe('one');
  call.send(wish({ sendAllClusters: true, loadReportingInterval: { seconds: 1n } }));
  const { request: report } = await time.passUntil(heard.nth(3));
  // The second call of the reporter itself was made in between.
  expect(report.clusterStats[0]!.upstreamLocalityStats[0]).toMatchObject({ totalIssuedRequests: 1n });
});

test('asks a server that has no such service again only after minutes, and says so once', async () => {
  const heard = await start((call) => call.end(12, 'unknown service'));
  await heard.nth(1);
  const before = time.nowMs();
  await time.passUntil(heard.nth(2));
  expect(time.nowMs() - before).toBeGreaterThanOrEqual(600_000);
  expect(lines.filter((line) => line.includes('takes no load reports'))).toHaveLength(1);
});

test('a message that is none ends the stream, and it comes back later', async () => {
  let first = true;
  const heard = await start((call) => {
    if (first) call.send(Buffer.from([0xff, 0xff]));
    first = false;
  });
  await time.passUntil(heard.nth(2));
  expect(peer.counter('upstream_rq_total')).toBe(2);
  expect(peer.stats.counter('load_reporter.errors').value).toBe(1);
});
