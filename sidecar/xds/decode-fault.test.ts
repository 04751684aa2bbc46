import { describe, expect, it } from 'vitest';
import type { FaultConfig } from '../config/fault-config.ts';
import { HTTPFaultSchema } from './api/envoy/extensions/filters/http/fault/v3/fault_pb.js';
import { fault } from './decode-fault.ts';
import { type Decoded, decodeJson } from './test/decode-json.ts';

function decode(json: unknown): Decoded<FaultConfig> {
  return decodeJson(HTTPFaultSchema, json, (message, path, faults) => fault(message, 'faults', path, faults));
}

describe('a fault filter', () => {
  it('has delay, abort, limit and whom they are for', () => {
    const { value, faults } = decode({
      delay: { fixed_delay: '0.5s', percentage: { numerator: 10 } },
      abort: { http_status: 503, percentage: { numerator: 5, denominator: 'TEN_THOUSAND' } },
      response_rate_limit: { fixed_limit: { limit_kbps: 64 }, percentage: { numerator: 1, denominator: 'MILLION' } },
      upstream_cluster: 'orders',
      headers: [{ name: 'X-Test', present_match: true }],
      downstream_nodes: ['n1'],
      max_active_faults: 7,
      filter_metadata: { a: 'b' },
      abort_percent_runtime: 'ignored',
      disable_downstream_cluster_stats: true,
    });
    expect(faults).toEqual([]);
    expect(value).toEqual({
      kind: 'fault',
      filterName: 'faults',
      delay: { fixedMs: 500, share: { numerator: 10, denominator: 100 } },
      abort: { by: { kind: 'http', status: 503 }, share: { numerator: 5, denominator: 10_000 } },
      responseLimit: { kibPerSecond: 64, share: { numerator: 1, denominator: 1_000_000 } },
      upstreamCluster: 'orders',
      headers: [
        { name: 'x-test', test: { kind: 'present', present: true }, invert: false, treatMissingAsEmpty: false },
      ],
      downstreamNodes: ['n1'],
      maxActiveFaults: 7,
      metadata: { a: 'b' },
    });
  });

  it('may leave what happens to headers; a share that is not there is none', () => {
    const { value } = decode({
      delay: { header_delay: {} },
      abort: { header_abort: {} },
      response_rate_limit: { header_limit: {} },
    });
    expect(value).toMatchObject({
      delay: { fixedMs: null, share: { numerator: 0, denominator: 100 } },
      abort: { by: { kind: 'header' } },
      responseLimit: { kibPerSecond: null },
      maxActiveFaults: Infinity,
    });
  });

  it('is refused by field where a number is out of bounds or a choice is missing', () => {
    expect(
      decode({ delay: { fixed_delay: '0s' }, abort: { http_status: 600 }, response_rate_limit: {} }).faults,
    ).toEqual([
      'delay.fixed_delay: must be above 0',
      'abort.http_status: 600 is not between 200 and 599',
      'response_rate_limit: needs fixed_limit or header_limit',
    ]);
    expect(decode({ delay: { fixed_delay: '90000s' }, abort: { grpc_status: 17 } }).faults).toEqual([
      'delay.fixed_delay: 90000 s is above 86400 s',
      'abort.grpc_status: 17 is not between 0 and 16',
    ]);
  });
});
