import { expect, it } from 'vitest';
import { InboundLimitsSchema } from './api/outrigger/resilience/v1/inbound_limits_pb.js';
import { inboundLimits } from './decode-inbound-limits.ts';
import { decodeJson } from './test/decode-json.ts';

const decode = (json: unknown) =>
  decodeJson(InboundLimitsSchema, json, (message, path, faults) => inboundLimits(message, 'limits', path, faults));

it('inbound limits limit nothing that they do not name', () => {
  expect(decode({})).toEqual({
    value: {
      ...{ kind: 'inbound-limits', filterName: 'limits', rule: '', maxRequests: null, perCaller: null },
      ...{ routes: [], queue: null, priorities: [] },
    },
    faults: [],
  });
});

it('a queue has defaults for everything, and leaves a caller half of it where callers have limits', () => {
  expect(decode({ queue: {} }).value!.queue).toEqual({
    ...{ maxRequests: 100, maxRequestsPerCaller: 100, maxWaitMs: 500, targetMs: 20, intervalMs: 100 },
  });
  const { value, faults } = decode({ callers: { max_requests: 1 }, queue: { max_requests: 7, max_wait: '0.010s' } });
  expect(faults).toEqual([]);
  expect(value!.queue).toMatchObject({ maxRequests: 7, maxRequestsPerCaller: 4, maxWaitMs: 10, targetMs: 5 });
});

it('and what a configuration says', () => {
  const { value, faults } = decode({
    rule: 'TrafficPolicy shop/orders',
    max_requests: 200,
    callers: { max_requests: 50, exceptions: [{ callers: [{ prefix: 'spiffe://a/' }], max_requests: 5 }] },
    routes: [
      {
        name: 'reports',
        match: { paths: [{ exact: '/r' }], methods: ['GET'], headers: [{ name: 'x-a', present_match: true }] },
        max_requests: 10,
      },
    ],
    priorities: [{ match: { callers: [{ exact: 'spiffe://a/b' }] }, priority: 'CRITICAL' }, { priority: 'SHEDDABLE' }],
  });
  expect(faults).toEqual([]);
  const none = { paths: [], methods: [], headers: [], callers: [] };
  expect(value).toMatchObject({
    rule: 'TrafficPolicy shop/orders',
    maxRequests: 200,
    perCaller: {
      maxRequests: 50,
      exceptions: [{ callers: [{ kind: 'prefix', value: 'spiffe://a/', ignoreCase: false }], maxRequests: 5 }],
    },
    routes: [
      {
        name: 'reports',
        match: {
          ...{ paths: [{ kind: 'exact', value: '/r', ignoreCase: false }], methods: ['GET'], callers: [] },
          headers: [{ name: 'x-a', test: { kind: 'present', present: true } }],
        },
        maxRequests: 10,
      },
    ],
    priorities: [
      {
        match: { ...none, callers: [{ kind: 'exact', value: 'spiffe://a/b', ignoreCase: false }] },
        priority: 'critical',
      },
      { match: none, priority: 'sheddable' },
    ],
  });
});

it('refuses by its path what is out of bounds', () => {
  const many = Array.from({ length: 65 }, (_, at) => ({ name: `r${at}`, max_requests: 1 }));
  expect(decode({ routes: many }).faults).toEqual(['routes: has more than 64 entries']);
  expect(
    decode({
      rule: 'é',
      max_requests: 0,
      callers: { exceptions: [{ max_requests: 1_000_001 }] },
      routes: [
        { name: 'a', match: { methods: ['A B'], paths: [{}] }, max_requests: 1 },
        { name: 'a', max_requests: 1 },
        { max_requests: 1 },
      ],
      queue: {
        max_requests: 10_001,
        max_requests_per_caller: 0,
        max_wait: '0.5s',
        overload_target: '0.5s',
        overload_interval: '0s',
      },
    }).faults,
  ).toEqual([
    'routes[0].match.methods[0]: "A B" is not a method',
    'routes[0].match.paths[0]: has no match pattern',
    'routes[2].name: is missing: answers and metrics have it',
    'routes[1].name: "a" is there twice',
    'callers.max_requests: 0 is not between 1 and 1000000',
    'callers.exceptions[0].callers: is empty',
    'callers.exceptions[0].max_requests: 1000001 is not between 1 and 1000000',
    'rule: has a character beyond printable ASCII',
    'max_requests: 0 is not between 1 and 1000000',
    'queue.max_requests: 10001 is not between 1 and 10000',
    'queue.overload_target: is not less than max_wait',
    'queue.max_requests_per_caller: 0 is not between 1 and 10000',
    'queue.overload_interval: 0 is not between 1 and 3600000',
  ]);
});
