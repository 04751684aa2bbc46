import { expect, test } from 'vitest';
import type { GateConfig } from '../config/gate-config.ts';
import type { InboundLimitsConfig } from '../config/inbound-limits-config.ts';
import type { HttpConnectionManagerConfig } from '../config/listener-config.ts';
import { managerConfig, routeTable } from '../connection-manager/test/configs.ts';
import { StreamRig } from '../connection-manager/test/stream-rig.ts';
import { chainConfig, configuration, listenerConfig } from '../listener/test/listener-config.ts';
import type { LazyGate } from './lazy-gate.ts';
import { makeGates } from './make-gates.ts';
import { SharedGates } from './shared-gates.ts';

const limits = (more: Partial<InboundLimitsConfig> = {}): InboundLimitsConfig => ({
  ...{ kind: 'inbound-limits', filterName: 'limits', rule: '', maxRequests: 1, perCaller: null },
  ...{ routes: [], queue: null, priorities: [] },
  ...more,
});
const adaptive = (maxConcurrency: number): GateConfig => ({
  ...{ kind: 'adaptive-concurrency', filterName: 'ac', enabled: true, exceededStatus: 503 },
  gradient: {
    ...{ percentile: 0.5, maxConcurrency, updateIntervalMs: 100, minRttIntervalMs: 60_000 },
    ...{ minRttRequests: 2, jitter: 0, minConcurrency: 2, buffer: 0.25 },
  },
});
const manager = (...gates: readonly GateConfig[]): HttpConnectionManagerConfig =>
  managerConfig(routeTable([]), { gates });

function shop(...managers: readonly HttpConnectionManagerConfig[]) {
  const filterChains = managers.map((httpConnectionManager, at) =>
    chainConfig(`c${at}`, {}, { httpConnectionManager }),
  );
  return configuration(listenerConfig('inbound', 0, { filterChains }));
}

test('managers of a listener share what says the same, and an update that says nothing else of it leaves it', () => {
  const rig = new StreamRig();
  const sharedGates = new SharedGates(rig.stats);
  const context = { ...rig.context, sharedGates };
  const made = (listener: string, ...gates: readonly GateConfig[]) => makeGates(manager(...gates), context, listener);
  const before = made('inbound', limits(), adaptive(9));
  expect(made('inbound', limits(), adaptive(9))).toEqual(before);
  expect(made('inbound', limits(), adaptive(9))[0]).toBe(before[0]);
  expect(made('inbound', limits(), adaptive(9))[1]).toBe(before[1]);
  // Another listener is in front of another application.
  expect(made('other', limits(), adaptive(9))[0]).not.toBe(before[0]);
  // Limits know what is behind them.
  expect(made('inbound', limits(), adaptive(8))[0]).not.toBe(before[0]);
  expect(made('inbound', limits())[0]).not.toBe(before[0]);
  sharedGates.retain(shop(manager(), manager(limits(), adaptive(9))));
  expect(made('inbound', limits(), adaptive(9))[0]).toBe(before[0]);
  sharedGates.retain(shop(manager(limits({ maxRequests: 2 }))));
  expect(made('inbound', limits(), adaptive(9))[0]).not.toBe(before[0]);
});

test('statistics go with what the configuration does not name any more', async () => {
  const rig = new StreamRig();
  const sharedGates = new SharedGates(rig.stats);
  const context = { ...rig.context, sharedGates };
  const route = (name: string) => ({
    name,
    match: { paths: [], methods: [], headers: [], callers: [] },
    maxRequests: 1,
  });
  const names = (): string[] =>
    [...rig.stats.gauges.values()].flatMap(({ family, labels }) =>
      family === 'outrigger_bulkhead_requests' ? [`${labels['scope']} ${labels['name']}`] : [],
    );
  const [gate] = makeGates(manager(limits({ routes: [route('a'), route('b')] })), context, 'inbound');
  await (gate as LazyGate).loaded;
  expect(names()).toEqual(['workload ', 'route a', 'route b']);
  sharedGates.retain(shop(manager(limits({ routes: [route('b')] }))));
  expect(names()).toEqual(['workload ', 'route b']);
  makeGates(manager(limits({ routes: [route('b')] })), context, 'inbound');
  sharedGates.retain(shop(manager()));
  expect(names()).toEqual([]);
});
