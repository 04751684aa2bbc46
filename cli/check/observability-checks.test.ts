import { expect, test } from 'vitest';
import { observabilityFindings } from './observability-checks.ts';

const address = { host: '127.0.0.1', port: 15_000 };
const version = 'outrigger/0.1.0/node-26.10.0';
const told = (counters: ReadonlyArray<readonly [string, number]>, theirs = version) =>
  observabilityFindings({ version: theirs, counters }, address, '0.1.0').map(({ level, text }) => `${level}: ${text}`);

test('nothing was lost', () => {
  expect(told([['access_log_file.write_failed', 0]])).toEqual(['ok: no log line, span or report was lost']);
});

test('what was lost is a warning, with the counter where several are of its kind', () => {
  expect(
    told([
      ['access_log_file.write_failed', 3],
      ['access_logs.grpc_access_log.logs_dropped', 4],
      ['tracing.opentelemetry.spans_dropped', 5],
      ['outrigger_metric_label_overflow_total', 6],
      ['load_reporter.errors', 7],
    ]),
  ).toEqual([
    'warning: 3 access log lines were lost: the file or what reads stdout does not take them, since it started',
    'warning: 4 access log entries were dropped (access_logs.grpc_access_log.logs_dropped), since it started',
    'warning: 5 spans were dropped (tracing.opentelemetry.spans_dropped), since it started',
    'warning: 6 times a metric had more label values than its bound: what came then counts as "overflow", since it started',
    'warning: load could not be reported 7 times, since it started',
  ]);
});

test('another version is a warning; an Envoy has none of ours', () => {
  expect(told([], 'outrigger/0.2.0/node-26')).toEqual([
    'warning: 127.0.0.1:15000 is outrigger 0.2.0, and this is 0.1.0',
  ]);
  expect(told([], 'abc/1.40.0/Clean')).toHaveLength(1);
});
