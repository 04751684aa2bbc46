import { create } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { AnswerSchema } from '../../proto/generated/outrigger/observe/v1/observe_pb.js';
import { AttendingProxy } from './attending-proxy.ts';
import { listBreakers } from './breaker-list.ts';
import { ObserveHub } from './observe-hub.ts';
import { footprints } from './proxy-footprint.ts';

const attending = (nodeId: string): AttendingProxy =>
  new AttendingProxy({ nodeId, service: 'shop/orders', identity: '' }, () => {});

test('breakers of all sidecars, with whose each is and what it guards; who is older is named', async () => {
  const hub = new ObserveHub(() => () => {});
  const [one, old] = [attending('orders-1'), attending('orders-0')];
  hub.add(one);
  hub.add(old);
  const listed = listBreakers(hub);
  one.onAnswer(
    create(AnswerSchema, {
      queryId: 1n,
      breakers: [
        { scope: 'route', name: 'payments.shop:80/shop/payments#rule-0', state: 'closed' },
        { scope: 'cluster', name: 'outbound|80||payments.shop', state: 'open', heldByOperator: true, calls: 7n },
        { scope: 'cluster', name: 'outbound|x|payments', state: 'closed' },
      ],
      done: true,
    }),
  );
  old.onAnswer(create(AnswerSchema, { queryId: 1n, fault: 'no such query', done: true }));
  const { breakers, silent, olderProxies } = await listed;
  expect(
    breakers.map(({ proxy, service, scope, destination, state }) => [proxy, service, scope, destination, state]),
  ).toEqual([
    ['orders-1', 'shop/orders', 'cluster', 'shop/payments', 'open'],
    ['orders-1', 'shop/orders', 'cluster', '', 'closed'],
    ['orders-1', 'shop/orders', 'route', 'shop/payments', 'closed'],
  ]);
  expect(breakers[0]).toMatchObject({ heldByOperator: true, calls: 7, nextProbeSeconds: null });
  expect([silent, olderProxies]).toEqual([[], ['orders-0']]);
});

test('what a sidecar takes: memory as it was said last, CPU over the time between', () => {
  const proxy = attending('orders-1');
  const report = (atMs: number, cpuSeconds: number) => ({
    ...{ proxy, atMs, intervalMs: 5_000, edges: [] },
    used: { residentBytes: 1_000 + atMs, cpuSeconds, uptimeSeconds: 100 },
  });
  const of = (...reports: Array<ReturnType<typeof report>>) => footprints([reports]).get('shop/orders orders-1');
  expect(of(report(0, 10), report(10_000, 10.5))).toEqual({ residentBytes: 11_000, cpuShare: 0.05 });
  expect(of(report(0, 10))).toEqual({ residentBytes: 1_000, cpuShare: 0.1 });
  expect(footprints([[{ ...report(0, 1), used: null }]]).size).toBe(0);
});
