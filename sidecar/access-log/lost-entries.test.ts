import { expect, test } from 'vitest';
import { StatStore } from '../stats/stat-store.ts';
import { LostEntries } from './lost-entries.ts';

test("what is lost is counted under Envoy's name of the sink, and under one of ours with the sink as a label", () => {
  const stats = new StatStore();
  new LostEntries(stats, 'access_logs.grpc_access_log.logs_dropped', 'als').add(3);
  const otlp = 'access_logs.open_telemetry_access_log';
  new LostEntries(stats, `${otlp}.a.logs_dropped`, 'otlp').add(1);
  new LostEntries(stats, `${otlp}.b.logs_dropped`, 'otlp').add(4);
  const counted = [...stats.counters.values()].map(({ name, labels, value }) => [name, labels['sink'], value]);
  expect(counted).toEqual([
    ['access_logs.grpc_access_log.logs_dropped', undefined, 3],
    ['outrigger_access_log_entries_lost_total', 'als', 3],
    [`${otlp}.a.logs_dropped`, undefined, 1],
    ['outrigger_access_log_entries_lost_total', 'otlp', 5],
    [`${otlp}.b.logs_dropped`, undefined, 4],
  ]);
});
