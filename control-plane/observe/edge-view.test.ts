import { create } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { EdgeFiguresSchema } from '../../proto/generated/outrigger/observe/v1/observe_pb.js';
import { AttendingProxy } from './attending-proxy.ts';
import { EdgeHistory } from './edge-history.ts';
import { quantileMs, sumOf } from './edge-sum.ts';
import { edgeRows } from './edge-view.ts';
import type { FigureReport } from './figure-feed.ts';

const bounds = [0.001, 0.01];

function report(
  direction: string,
  source: string,
  destination: string,
  requests: number,
  more: { secured?: number; failures?: number; atMs?: number; active?: number } = {},
): FigureReport {
  const { secured = 0, failures = 0, atMs = 1_000, active = 0 } = more;
  const figures = create(EdgeFiguresSchema, {
    ...{ direction, source, destination, active },
    requests: BigInt(requests),
    failures: BigInt(failures),
    secured: BigInt(secured),
    durations: [0n, BigInt(requests), 0n],
    classes: { '2xx': BigInt(requests) },
  });
  const proxy = new AttendingProxy({ nodeId: `${source}-1`, service: source, identity: '' }, () => {});
  return {
    proxy,
    atMs,
    intervalMs: 1_000,
    used: null,
    edges: [{ direction, source, destination, route: '', sum: sumOf(figures, bounds) }],
  };
}

const itself = (account: string): string => account;

test("of both sides the caller's view counts, and that it was under mTLS is known where it arrives", () => {
  const rows = edgeRows(
    [[report('outbound', 'a/x', 'a/y', 10, { failures: 2 })], [report('inbound', 'a/x', 'a/y', 8, { secured: 8 })]],
    'edge',
    itself,
  );
  expect(rows).toMatchObject([
    {
      source: 'a/x',
      destination: 'a/y',
      direction: 'outbound',
      requestsPerSecond: 10,
      failuresPerSecond: 2,
      securedShare: 1,
    },
  ]);
});

test("where no caller's sidecar tells, the other side's view is shown", () => {
  expect(edgeRows([[report('inbound', 'unknown', 'a/y', 3)]], 'edge', itself)).toMatchObject([
    { source: 'unknown', direction: 'inbound', requestsPerSecond: 3, securedShare: 0 },
  ]);
});

test('callers without a name are those that call without mTLS, and a rest is somebody else', () => {
  const told = [report('outbound', 'a/x', 'a/y', 10)];
  expect(edgeRows([told, [report('inbound', 'unknown', 'a/y', 10)]], 'edge', itself)).toHaveLength(1);
  expect(edgeRows([told, [report('inbound', 'unknown', 'a/y', 30)]], 'edge', itself)).toHaveLength(2);
});

test('a subset is the service that its instances know', () => {
  const windows = [[report('outbound', 'a/x', 'a/y-v1', 10)], [report('inbound', 'a/x', 'a/y', 10, { secured: 10 })]];
  expect(edgeRows(windows, 'edge', itself, () => new Set(['a/y', 'a/y-v1']))).toHaveLength(1);
  expect(edgeRows(windows, 'edge', itself)).toHaveLength(2);
});

test('rates of several sidecars add up, each by its own time; what is under way is of the last report', () => {
  const [row] = edgeRows(
    [
      [report('outbound', 'a/x', 'a/y', 10, { active: 5 }), report('outbound', 'a/x', 'a/y', 20, { active: 1 })],
      [report('outbound', 'a/x', 'a/y', 5, { active: 2 })],
    ],
    'edge',
    itself,
  );
  expect(row).toMatchObject({ requestsPerSecond: 20, active: 3, classes: { '2xx': 35 } });
  expect(row!.p50Ms).toBeCloseTo(5.5);
});

test('quantiles: nothing counted is null, and beyond all bounds the last one is told', () => {
  expect(quantileMs(new Map(), 0.5)).toBeNull();
  expect(
    quantileMs(
      new Map([
        [0.01, 1],
        [Infinity, 9],
      ]),
      0.99,
    ),
  ).toBe(10);
});

test('history spreads a report over the steps that it is for, and shows steps that are over', () => {
  let nowMs = 0;
  const history = new EdgeHistory(
    () => nowMs,
    () => nowMs,
  );
  nowMs = 7_500;
  history.add({ ...report('outbound', 'a/x', 'a/y', 50, { atMs: 7_500 }), intervalMs: 5_000 }, itself);
  nowMs = 16_000;
  const points = history.points('a/x', 'a/y', 900);
  expect(points.map(({ requestsPerSecond }) => requestsPerSecond)).toEqual([5, 5]);
  expect(history.points('a/x', 'a/z', 900)).toEqual([]);
  // After fifteen minutes without a call it is forgotten.
  nowMs += 1_900_000;
  expect(history.points('a/x', 'a/y', 900)).toEqual([]);
});

test('history of a service is that of all who call it, each call once, and its quantiles those of all calls together', () => {
  let nowMs = 10_000;
  const history = new EdgeHistory(
    () => nowMs,
    () => nowMs,
    (service) => new Set([service, ...(service.startsWith('a/p') ? ['a/p', 'a/p-v1'] : [])]),
  );
  const add = (direction: string, source: string, destination: string, requests: number, figures = {}): void =>
    history.add(
      { ...report(direction, source, destination, requests, { atMs: 15_000, ...figures }), intervalMs: 5_000 },
      itself,
    );
  add('outbound', 'a/x', 'a/y', 50, { failures: 5 });
  add('outbound', 'a/z', 'a/y', 100);
  // What arrives of them, and one that has no sidecar of its own.
  add('inbound', 'a/x', 'a/y', 50);
  add('inbound', 'a/w', 'a/y', 25);
  add('inbound', 'unknown', 'a/y', 101);
  // By another name on the caller's side.
  add('outbound', 'a/x', 'a/p-v1', 10);
  add('inbound', 'a/x', 'a/p', 10);
  nowMs = 20_000;
  const last = (source: string, destination: string): unknown => history.points(source, destination, 900).at(-1);
  expect(last('', 'a/y')).toMatchObject({ requestsPerSecond: 35, failuresPerSecond: 1 });
  expect(last('a/x', '')).toMatchObject({ requestsPerSecond: 12 });
  expect(last('', 'a/p')).toMatchObject({ requestsPerSecond: 2 });
  expect(last('', 'a/p-v1')).toMatchObject({ requestsPerSecond: 2 });
  expect(history.points('', 'a/nobody', 900)).toEqual([]);
});

test('a service that tells of more edges than its share takes no place of others, and has it back when its edges are forgotten', () => {
  let nowMs = 10_000;
  const history = new EdgeHistory(
    () => nowMs,
    () => nowMs,
  );
  const add = (source: string, destination: string): void =>
    history.add({ ...report('outbound', source, destination, 5, { atMs: nowMs }), intervalMs: 5_000 }, itself);
  for (let at = 0; at < 5_000; at++) add('a/talker', `a/${at}`);
  expect(history.overflow).toBe(4_000);
  add('a/x', 'a/y');
  expect(history.overflow).toBe(4_000);
  nowMs += 10_000;
  expect(history.points('a/x', 'a/y', 900)).not.toEqual([]);
  expect(history.points('a/talker', 'a/999', 900)).not.toEqual([]);
  expect(history.points('a/talker', 'a/1000', 900)).toEqual([]);
  nowMs += 1_900_000;
  add('a/talker', 'a/1000');
  expect(history.overflow).toBe(4_000);
});
