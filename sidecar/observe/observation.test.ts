import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { afterEach, expect, test } from 'vitest';
import { GrpcPeer, type PeerCall } from '../grpc/test/grpc-peer.ts';
import { Log } from '../runtime/log.ts';
import { TimerWheel } from '../runtime/timer-wheel.ts';
import { StatStore } from '../stats/stat-store.ts';
import { QuerySchema, type Report, ReportSchema } from '../xds/api/outrigger/observe/v1/observe_pb.js';
import { Observation } from './observation.ts';
import { KeptRequests, observed } from './test/observed.ts';

let peer: GrpcPeer | null = null;
let observation: Observation | null = null;

afterEach(async () => {
  observation?.close();
  await peer?.close();
  peer = null;
});

class Fixture {
  readonly requests = new KeptRequests();
  readonly reports: Report[] = [];
  readonly log: string[] = [];
  nowMs = 0;
  readonly wheel: TimerWheel;

  constructor() {
    this.wheel = new TimerWheel({ nowMs: () => this.nowMs, wallMs: () => this.nowMs }, () => () => {});
  }

  async start(onCall: (call: PeerCall) => void = () => {}): Promise<GrpcPeer> {
    peer = await GrpcPeer.start({
      onCall,
      onMessage: (_, message) => this.reports.push(fromBinary(ReportSchema, message)),
    });
    const clock = { nowMs: () => this.nowMs, wallMs: () => this.nowMs };
    observation = new Observation({
      clusters: peer.clusters,
      clusterName: 'xds',
      node: { id: 'orders-1', cluster: 'shop/orders' },
      sources: {
        requests: this.requests,
        stats: () => new StatStore(),
        breakers: () => [],
        footprint: () => ({ residentBytes: 50_000_000, cpuSeconds: 1.5, uptimeSeconds: 60 }),
        clustersWithCertificate: () => [],
        forceBreaker: () => false,
      },
      clock,
      wheel: this.wheel,
      random: () => 0.5,
      log: new Log(clock, 'info', false, (line) => this.log.push(line)),
    });
    observation.start();
    return peer;
  }

  async until(condition: () => boolean): Promise<void> {
    for (let turn = 0; turn < 20_000 && !condition(); turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(condition()).toBe(true);
  }
}

test('says who it is, and answers what is asked', async () => {
  const it = new Fixture();
  it.requests.offer(observed({ requestId: 'abc' }));
  const { calls } = await it.start();
  await it.until(() => it.reports.length === 1);
  expect(calls[0]!.path).toBe('/outrigger.observe.v1.ObserveService/Attend');
  expect(it.reports[0]!.report).toMatchObject({
    case: 'hello',
    value: { nodeId: 'orders-1', nodeCluster: 'shop/orders' },
  });
  const query = create(QuerySchema, { id: 7n, query: { case: 'findRequest', value: { requestId: 'abc' } } });
  calls[0]!.send(toBinary(QuerySchema, query));
  await it.until(() => it.reports.length === 2);
  expect(it.reports[1]!.report).toMatchObject({
    case: 'answer',
    value: { queryId: 7n, done: true, requests: [{ requestId: 'abc' }] },
  });
});

test('opens the stream again when it ends, and taps of the old one are over', async () => {
  const it = new Fixture();
  const { calls } = await it.start();
  await it.until(() => it.reports.length === 1);
  calls[0]!.send(toBinary(QuerySchema, create(QuerySchema, { id: 1n, query: { case: 'startTap', value: {} } })));
  await it.until(() => it.requests.listeners === 1);
  calls[0]!.end(0);
  await it.until(() => it.requests.listeners === 0);
  it.nowMs += 1_000;
  it.wheel.advance();
  await it.until(() => it.reports.length === 2);
  expect(calls).toHaveLength(2);
});

test('a control plane that does not know the service is asked again seldom, and nobody hears of it', async () => {
  const it = new Fixture();
  const { calls } = await it.start((call) => call.end(12, 'unknown service'));
  await it.until(() => it.wheel.armedCount === 1);
  it.nowMs += 60_000;
  it.wheel.advance();
  expect(calls).toHaveLength(1);
  it.nowMs += 600_000;
  it.wheel.advance();
  await it.until(() => calls.length === 2);
  expect(it.log).toEqual([]);
});

test('a control plane that does not believe who it is: told once', async () => {
  const it = new Fixture();
  await it.start((call) => call.end(7, 'not you'));
  await it.until(() => it.wheel.armedCount === 1);
  expect(it.log.join('')).toContain('takes no reports of this sidecar: not you');
});

test('garbage in the place of a query ends the stream, not the sidecar', async () => {
  const it = new Fixture();
  const { calls } = await it.start();
  await it.until(() => it.reports.length === 1);
  calls[0]!.send(Buffer.from([0xff, 0xff, 0xff]));
  await it.until(() => it.wheel.armedCount === 1);
});
