import { expect, it } from 'vitest';
import { AdaptiveConcurrencySchema } from './api/envoy/extensions/filters/http/adaptive_concurrency/v3/adaptive_concurrency_pb.js';
import { SheddingPrioritySchema } from './api/outrigger/resilience/v1/shedding_pb.js';
import { adaptiveConcurrency } from './decode-adaptive-concurrency.ts';
import { sheddingPriority } from './decode-shedding-priority.ts';
import { decodeJson } from './test/decode-json.ts';

const decode = (json: unknown) =>
  decodeJson(AdaptiveConcurrencySchema, json, (message, path, faults) =>
    adaptiveConcurrency(message, 'ac', path, faults),
  );

it("adaptive concurrency has Envoy's defaults", () => {
  const { value, faults } = decode({
    gradient_controller_config: {
      concurrency_limit_params: { concurrency_update_interval: '0.1s' },
      min_rtt_calc_params: { interval: '60s' },
    },
  });
  expect(faults).toEqual([]);
  expect(value).toEqual({
    kind: 'adaptive-concurrency',
    filterName: 'ac',
    enabled: true,
    exceededStatus: 503,
    gradient: {
      percentile: 0.5,
      maxConcurrency: 1000,
      updateIntervalMs: 100,
      minRttIntervalMs: 60_000,
      minRttRequests: 50,
      jitter: 0.15,
      minConcurrency: 3,
      buffer: 0.25,
    },
  });
});

it('and what a configuration says', () => {
  const { value } = decode({
    enabled: { default_value: false, runtime_key: 'x' },
    concurrency_limit_exceeded_status: { code: 'TooManyRequests' },
    gradient_controller_config: {
      sample_aggregate_percentile: { value: 90 },
      concurrency_limit_params: { concurrency_update_interval: '1s', max_concurrency_limit: 5 },
      min_rtt_calc_params: {
        interval: '1s',
        request_count: 7,
        jitter: { value: 0 },
        min_concurrency: 2,
        buffer: { value: 50 },
      },
    },
  });
  expect(value).toMatchObject({
    enabled: false,
    exceededStatus: 429,
    gradient: { percentile: 0.9, maxConcurrency: 5, minRttRequests: 7, jitter: 0, minConcurrency: 2, buffer: 0.5 },
  });
});

it('is refused by field', () => {
  const path = 'gradient_controller_config';
  expect(decode({}).faults).toEqual([`${path}: is missing`]);
  expect(
    decode({
      gradient_controller_config: {
        concurrency_limit_params: { max_concurrency_limit: 2 },
        min_rtt_calc_params: { interval: '0.0001s', jitter: { value: 101 } },
      },
    }).faults,
  ).toEqual([
    `${path}.concurrency_limit_params.concurrency_update_interval: must be there and above 0`,
    `${path}.min_rtt_calc_params.interval: must be there and at least 1 ms`,
    `${path}.min_rtt_calc_params.min_concurrency: 3 is above the maximum, 2`,
    `${path}.min_rtt_calc_params.jitter: 101 is not between 0 and 100`,
  ]);
});

it('a route has a priority', () => {
  const priority = (json: unknown) => decodeJson(SheddingPrioritySchema, json, (message) => sheddingPriority(message));
  expect(priority({ priority: 'CRITICAL' }).value).toEqual({ kind: 'shedding-priority', priority: 'critical' });
  expect(priority({ priority: 'SHEDDABLE' }).value).toMatchObject({ priority: 'sheddable' });
  expect(priority({}).value).toMatchObject({ priority: 'default' });
});
