import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { AnswerSchema, type EdgeFiguresSchema } from '../../proto/generated/outrigger/observe/v1/observe_pb.js';
import { AttendingProxy } from './attending-proxy.ts';
import { FigureFeed, type FigureReport } from './figure-feed.ts';
import { ObserveHub } from './observe-hub.ts';

type EdgeInit = MessageInitShape<typeof EdgeFiguresSchema>;

class Fixture {
  readonly leftOut = { reports: 0, edges: 0 };
  readonly reports: FigureReport[] = [];
  readonly proxy = new AttendingProxy({ nodeId: 'a-1', service: 'shop/a', identity: '' }, () => {});
  nowMs = 0;
  readonly feed: FigureFeed;

  constructor() {
    const hub = new ObserveHub(() => () => {});
    this.feed = new FigureFeed({
      ...{ hub, nowMs: () => this.nowMs, intervalMs: 1_000, keepMs: 60_000, leftOut: this.leftOut },
      onReport: (report) => this.reports.push(report),
    });
    hub.add(this.proxy);
  }

  tell(atMs: number, edges: EdgeInit[]): void {
    this.nowMs = atMs;
    this.proxy.onAnswer(create(AnswerSchema, { queryId: 1n, edges, durationBoundsSeconds: [0.001, 0.01] }));
  }

  get kept(): readonly FigureReport[] {
    return this.feed.window(60_000)[0] ?? [];
  }
}

const edge = (destination: string, requests = 1n): EdgeInit => ({ direction: 'outbound', destination, requests });
const edges = (count: number, named = ''): EdgeInit[] =>
  Array.from({ length: count }, (_, at) => edge(`shop/${at}${named}`));

test('of a sidecar that reports too often one report each half interval is taken, and the others are counted', () => {
  const it = new Fixture();
  for (let atMs = 0; atMs < 2_000; atMs += 100) it.tell(atMs, [edge('shop/b')]);
  expect(it.reports.map(({ atMs }) => atMs)).toEqual([0, 500, 1_000, 1_500]);
  expect(it.kept).toHaveLength(4);
  expect(it.leftOut).toEqual({ reports: 16, edges: 0 });
});

test('a report that was held up on its way is taken, and so is the one behind it', () => {
  const it = new Fixture();
  for (const atMs of [0, 1_450, 2_000, 3_000]) it.tell(atMs, [edge('shop/b')]);
  expect(it.reports).toHaveLength(4);
});

test('a report has a bounded number of edges, and those left out are counted', () => {
  const it = new Fixture();
  it.tell(0, edges(3_000));
  expect(it.reports[0]!.edges).toHaveLength(2_000);
  expect(it.leftOut).toEqual({ reports: 0, edges: 1_000 });
});

test('of a sidecar that tells much fewer reports are kept, the last ones', () => {
  const it = new Fixture();
  for (let atMs = 0; atMs < 60_000; atMs += 1_000) it.tell(atMs, edges(2_000));
  expect(it.reports).toHaveLength(60);
  expect(it.kept.length).toBeGreaterThan(5);
  expect(it.kept.length).toBeLessThan(20);
  expect(it.kept.at(-1)!.atMs).toBe(59_000);
  // An ordinary one's are all kept.
  const other = new Fixture();
  for (let atMs = 0; atMs < 60_000; atMs += 1_000) other.tell(atMs, edges(100));
  expect(other.kept).toHaveLength(60);
});

test('long names count for what they take, within a report too', () => {
  const it = new Fixture();
  it.tell(0, edges(2_000, 'x'.repeat(10_000)));
  const [taken] = it.reports;
  expect(taken!.edges.length).toBeLessThan(1_250);
  expect(taken!.edges[0]!.destination).toHaveLength(512);
  expect(it.leftOut.edges).toBe(2_000 - taken!.edges.length);
});
