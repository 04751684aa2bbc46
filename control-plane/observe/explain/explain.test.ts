import { expect, test } from 'vitest';
import { attempt, inbound, ms, outbound } from '../test/records.ts';
import { explain } from './explain.ts';

test('hops stand in the order of calls, whatever order they come in, by who calls whom and when', () => {
  const hops = [
    inbound('payments', 'orders', 3, 2),
    outbound('orders', 'inventory', 6, 2),
    outbound('storefront', 'orders', 0, 10),
    inbound('inventory', 'orders', 6.2, 1.5),
    outbound('orders', 'payments', 2.5, 3),
    inbound('orders', 'storefront', 1, 8),
  ];
  expect(explain(hops).hops.map(({ depth, record }) => `${depth} ${record.service} ${record.direction}`)).toEqual([
    '0 shop/storefront outbound',
    '1 shop/orders inbound',
    '2 shop/orders outbound',
    '3 shop/payments inbound',
    '2 shop/orders outbound',
    '3 shop/inventory inbound',
  ]);
});

/** As the demo's: who calls the storefront shows no certificate, and payments is two services on the callers' side. All have one x-request-id, handed on by each. */
const demoHops = [
  inbound('storefront', '', 0, 92.7),
  outbound('storefront', 'orders', 1, 76),
  inbound('orders', 'storefront', 60, 11.8),
  outbound('orders', 'payments-v1', 61, 6.9),
  inbound('payments', 'orders', 63, 4.3),
];
const places = (hops: typeof demoHops): string[] =>
  explain(hops).hops.map(({ depth, record }) => `${depth} ${record.service} ${record.direction}`);
const demoPlaces = [
  '0 shop/storefront inbound',
  '1 shop/storefront outbound',
  '2 shop/orders inbound',
  '3 shop/orders outbound',
  '4 shop/payments inbound',
];

test('a request from outside begins where it came in: nobody within the mesh is its caller', () => {
  expect(places(demoHops)).toEqual(demoPlaces);
  expect(places(demoHops.toReversed())).toEqual(demoPlaces);
});

test('that holds where records of hops are missing, and where nobody shows a certificate', () => {
  expect(places(demoHops.slice(0, 4))).toEqual(demoPlaces.slice(0, 4));
  expect(places(demoHops.filter((_, at) => at !== 1 && at !== 4))).toEqual([
    '0 shop/storefront inbound',
    '0 shop/orders inbound',
    '1 shop/orders outbound',
  ]);
  const plain = demoHops.map((hop) => (hop.direction === 'inbound' ? { ...hop, source: 'unknown' } : hop));
  expect(places(plain)).toEqual(demoPlaces);
});

test('spans count more than times, so clocks that differ do not matter', () => {
  const traceId = 'a'.repeat(32);
  const call = outbound('storefront', 'orders', 5_000, 10, {
    traceId,
    spanId: '1111111111111111',
    attempts: [attempt('10.0.0.1:8080', 0, 9, { spanId: '2222222222222222' })],
  });
  const arrival = inbound('orders', 'storefront', 0, 8, {
    traceId,
    spanId: '3333333333333333',
    parentSpanId: '2222222222222222',
  });
  expect(explain([arrival, call]).hops.map(({ depth, record }) => [depth, record.service])).toEqual([
    [0, 'shop/storefront'],
    [1, 'shop/orders'],
  ]);
});

test('spans that name each other are no circle', () => {
  const a = outbound('a', 'b', 0, 5, { traceId: 't', spanId: '1', parentSpanId: '2' });
  const b = outbound('b', 'a', 0, 5, { traceId: 't', spanId: '2', parentSpanId: '1' });
  expect(explain([a, b]).hops).toHaveLength(2);
});

test('each try of a call has its own arrival', () => {
  const call = outbound('orders', 'payments', 0, 20, {
    attempts: [
      attempt('10.0.0.1:80', 0, 5, { status: 503, flag: '' }),
      attempt('10.0.0.2:80', 10, 19, { why: 'policy' }),
    ],
  });
  const first = inbound('payments', 'orders', 0.5, 4, { status: 503, nodeId: 'payments-1' });
  const second = inbound('payments', 'orders', 11, 8, { nodeId: 'payments-2' });
  const { hops } = explain([second, first, call]);
  expect(hops.map(({ depth, record }) => [depth, record.nodeId])).toEqual([
    [0, 'orders-1'],
    [1, 'payments-1'],
    [1, 'payments-2'],
  ]);
});

test('a breaker that is open: why, since when, what it is about, where the rule stands, and what next', () => {
  const { requestId, explanation } = explain(
    [
      outbound('storefront', 'payments', 0, 5.2, {
        method: 'POST',
        path: '/pay',
        status: 503,
        flags: 'CB',
        details: 'circuit_breaker_open',
        rule: 'TrafficPolicy shop/payments',
        attempts: [],
        circumstances: [
          'circuit breaker of payments.shop: open for 12.4 s: 61 % of 240 calls failed in 10 s (limit 50 %)',
        ],
        passedOver: [{ host: '10.0.3.7:8080', why: 'ejected for 14 s (5 consecutive connect failures)' }],
      }),
    ],
    () => 'demo/config/payments.yaml:31',
  );
  expect(requestId).toBe('r-1');
  expect(explanation.summary).toBe('POST /pay from storefront, 12:03:41.512, answered 503 in 5.2 ms');
  expect(explanation.hops.join('\n')).toMatchInlineSnapshot(`
    "storefront  sidecar out  route shop/payments#rule-0 → payments:80   not sent  503 CB in 5.2 ms
                  passed over 10.0.3.7:8080: ejected for 14 s (5 consecutive connect failures)
      payments  sidecar in   never reached"
  `);
  expect(explanation.why.join('\n')).toMatchInlineSnapshot(`
    "The circuit breaker for payments was open by TrafficPolicy shop/payments: so many calls had failed before this one that no more are sent for a while.
    Circuit breaker of payments.shop: open for 12.4 s: 61 % of 240 calls failed in 10 s (limit 50 %).
    Passed over: 10.0.3.7:8080 ejected for 14 s (5 consecutive connect failures)."
  `);
  expect(explanation.next).toEqual([
    'TrafficPolicy shop/payments is in demo/config/payments.yaml:31',
    'outrigger tap --to payments --errors',
    'outrigger breaker list --all',
    'outrigger get policies',
  ]);
});

test('a breaker that an operator holds open is not told to have met failures', () => {
  const { explanation } = explain([
    outbound('orders', 'payments', 0, 1, {
      ...{ status: 503, flags: 'CB', attempts: [] },
      circumstances: ['circuit breaker of route a: open for 7 s: held open by an operator'],
    }),
  ]);
  expect(explanation.why[0]).toBe('The circuit breaker for payments was open: an operator holds it open.');
});

test('the cause is where the failure began, and what came of it on the way back is said', () => {
  const refused = attempt('10.0.0.7:8080', 0.1, 1, {
    status: 0,
    flag: 'UF',
    sent: undefined as never,
    details: 'upstream_reset_before_response_started{connection_failure}',
  });
  delete (refused as { sent?: unknown }).sent;
  const { explanation } = explain([
    outbound('storefront', 'orders', 0, 9, { status: 502 }),
    inbound('orders', 'storefront', 1, 7, { status: 502 }),
    outbound('orders', 'payments', 2, 3, {
      status: 503,
      flags: 'URX,UF',
      attempts: [refused, { ...refused, why: 'policy' }],
    }),
  ]);
  expect(explanation.why).toEqual([
    expect.stringContaining('No connection could be made to 10.0.0.7:8080 (payments)'),
    expect.stringContaining('It was tried 2 times'),
    'orders, which needed it, answered 502.',
  ]);
  expect(explanation.hops.join('\n')).toContain('payments');
  expect(explanation.hops.at(-1)).toContain('never reached');
});

test('a failure that a service made do with is told, and that it did', () => {
  const { explanation } = explain([
    inbound('orders', '', 0, 9),
    outbound('orders', 'inventory', 2, 3, { status: 500 }),
  ]);
  expect(explanation.why).toEqual([
    'Inventory itself answered 500: the mesh only passed it on.',
    'orders made do without it and answered 200.',
  ]);
});

test('a call that was only late was waited for', () => {
  const { explanation } = explain([
    inbound('orders', '', 0, 2_010),
    outbound('orders', 'payments', 2, 2_005, { flags: 'DI', rule: 'FaultPolicy shop/slow' }),
  ]);
  expect(explanation.why).toEqual([
    expect.stringMatching(/^It was held up on purpose by FaultPolicy shop\/slow/),
    'orders waited for it and answered 200.',
  ]);
});

test('a refusal that a service hands on is passed on, and one that it answers otherwise is not', () => {
  const refused = outbound('storefront', 'orders', 1, 5, { status: 403, flags: 'RBAC' });
  const whyOf = (status: number) =>
    explain([inbound('storefront', '', 0, 9, { status }), refused]).explanation.why.at(-1);
  expect(whyOf(403)).toBe('storefront passed it on and answered 403.');
  expect(whyOf(404)).toBe('storefront answered 404.');
  expect(whyOf(200)).toBe('storefront made do without it and answered 200.');
});

test("a delay on purpose is not what an application's own failure comes of", () => {
  const { explanation } = explain([
    inbound('orders', '', 0, 2_010, { status: 500 }),
    outbound('orders', 'payments', 2, 2_005, { flags: 'DI', rule: 'FaultPolicy shop/slow' }),
  ]);
  expect(explanation.why[0]).toBe('Orders itself answered 500: the mesh only passed it on.');
});

test.each(['UMSDR', 'UT', 'DC'])('%s while a call further in is held up on purpose: that is the cause', (flag) => {
  const { explanation } = explain(
    [
      inbound('storefront', '', 0, 302, { status: 504 }),
      outbound('storefront', 'orders', 1, 300, { status: 504, flags: flag }),
      inbound('orders', 'storefront', 2, 298, { status: 499, flags: 'DC' }),
      outbound('orders', 'payments', 3, 297, {
        status: 499,
        flags: 'DI,DC',
        rule: 'FaultPolicy shop/slow',
        attempts: [],
      }),
    ],
    (rule) => (rule === 'FaultPolicy shop/slow' ? 'faults.yaml:3' : ''),
  );
  expect(explanation.why[0]).toBe(
    'The call of orders to payments was held up on purpose by FaultPolicy shop/slow, longer than anybody waited.',
  );
  expect(explanation.why[1]).toContain('300 ms');
  expect(explanation.why.at(-1)).toBe('storefront, which needed it, answered 504.');
  expect(explanation.next[0]).toBe('FaultPolicy shop/slow is in faults.yaml:3');
  expect(explanation.next).toContain('outrigger get policies');
});

test('where one hop was held up and had no time left, the delay is told first', () => {
  const { explanation } = explain([
    outbound('a', 'b', 0, 300, { status: 504, flags: 'DI,UMSDR', rule: 'FaultPolicy shop/slow', attempts: [] }),
  ]);
  expect(explanation.why[0]).toMatch(/^It was held up on purpose by FaultPolicy/);
  expect(explanation.why[1]).toMatch(/^The stream lasted 300 ms/);
  expect(explanation.why[1]).toContain('shop/b#rule-0');
});

test('who waits for a call when its own caller goes is told to have', () => {
  const { explanation } = explain([
    inbound('orders', '', 0, 300, { status: 499, flags: 'DC' }),
    outbound('orders', 'payments', 1, 298, { status: 499, flags: 'DI,DC', rule: 'FaultPolicy shop/slow' }),
  ]);
  expect(explanation.why.at(-1)).toBe('orders was waiting for it when its own caller went away.');
});

test('repeats at no charge are no retries, and a connection that was never made is not gone', () => {
  const refused = attempt('10.0.0.7:8080', 0.1, 1, { status: 0, flag: 'UF' });
  const { explanation } = explain([
    outbound('orders', 'payments', 0, 9, {
      status: 503,
      flags: 'URX,UF',
      attempts: [
        refused,
        { ...refused, why: 'connection' },
        { ...refused, why: 'connection' },
        { ...refused, why: 'policy' },
      ],
    }),
  ]);
  expect(explanation.why).toContain(
    'It was tried 4 times: 1 retry, which is as many as its route allows, and 2 repeats at no charge.',
  );
  expect(explanation.hops.join('\n')).toContain('attempt 2 (again at no charge: no connection could be made)');
  const closed = explain([
    outbound('orders', 'payments', 0, 9, {
      attempts: [{ ...refused, flag: 'UC' }, attempt('10.0.0.7:8080', 2, 9, { why: 'connection' })],
    }),
  ]);
  expect(closed.explanation.hops.join('\n')).toContain('attempt 2 (again at no charge: its connection was gone)');
});

test('a sentence that begins with the name of a cluster leaves it as it is', () => {
  const { explanation } = explain([
    outbound('a', 'b', 0, 1, {
      status: 503,
      flags: 'UH',
      circumstances: ['outbound|80||b.shop has no hosts', 'breaker of b: open'],
    }),
  ]);
  expect(explanation.why).toContain('outbound|80||b.shop has no hosts.');
  expect(explanation.why).toContain('Breaker of b: open.');
});

test('commands to go on with ask the control plane, or say which sidecar they are of', () => {
  const nextOf = (flags: string) => explain([outbound('a', 'b', 0, 1, { status: 503, flags })]).explanation.next;
  expect(nextOf('UO')).toEqual(['outrigger edges --to b', 'outrigger get routes']);
  expect(nextOf('CB')).toContain('outrigger breaker list --all');
  expect(nextOf('UPE')).toContain('outrigger logs level debug --sidecar-admin HOST:PORT, the admin port of a-1');
});

test('a request that went well is told to have', () => {
  const { explanation } = explain([inbound('orders', '', 0, 9), outbound('orders', 'inventory', 2, 3)]);
  expect(explanation.why).toEqual(['It was answered, and nothing was in its way.']);
});

test("the application's own 500 is the application's, not the mesh's", () => {
  const { explanation } = explain([
    outbound('storefront', 'orders', 0, 9, { status: 500 }),
    inbound('orders', 'storefront', 1, 7, { status: 500 }),
  ]);
  expect(explanation.why[0]).toBe('Orders itself answered 500: the mesh only passed it on.');
  expect(explanation.next[0]).toBe('look into the log of orders');
});

test("a caller's timeout is the cause, though the other side saw its caller go", () => {
  const { explanation } = explain([
    outbound('storefront', 'orders', 0, 1_000, { status: 504, flags: 'UT', details: 'response_timeout' }),
    inbound('orders', 'storefront', 1, 999, { status: 499, flags: 'DC', details: 'downstream_remote_disconnect' }),
  ]);
  expect(explanation.why[0]).toMatch(/^Orders did not answer within 1 s, which is the time that the route/);
});

const explained = (status: number, flags: string, details: string, rule: string, circumstances: string[] = []) => {
  const hop = outbound('storefront', 'orders', 0, 500, { status, flags, details, rule, circumstances });
  return explain([hop], () => 'orders.yaml:7').explanation;
};

test.each([
  [
    'UT',
    'response_timeout',
    /^Orders did not answer within 500 ms, which is the time that TrafficPolicy shop\/slow gives for the whole request \(route shop\/orders#rule-0\)\.$/,
  ],
  [
    'URX,UT',
    'upstream_per_try_timeout',
    /^10.* did not answer within the time of one try \(.*; set by TrafficPolicy shop\/slow\), and no try was left\.$/,
  ],
  [
    'UMSDR',
    'max_duration_timeout',
    /^The stream lasted 500 ms, which is as long as TrafficPolicy shop\/slow lets one last \(route shop\/orders#rule-0\), and was ended/,
  ],
  [
    'SI',
    'stream_idle_timeout',
    /^Nothing was sent in either direction for as long as a stream may rest by TrafficPolicy shop\/slow/,
  ],
])('of a request that %s ended it is said who set the limit, and where', (flags, details, expected) => {
  const { why, next } = explained(504, flags, details, 'TrafficPolicy shop/slow');
  expect(why[0]).toMatch(expected);
  expect(next[0]).toBe('TrafficPolicy shop/slow is in orders.yaml:7');
});

test.each([
  [
    'UT',
    'response_timeout',
    'The application of orders did not answer within 298 ms, which is what was left of the time that TrafficPolicy shop/slow gives for the whole request (route shop/orders#rule-0).',
  ],
  [
    'UMSDR',
    'max_duration_timeout',
    'The stream lasted 298 ms, which is what was left of the time that TrafficPolicy shop/slow gives (route shop/orders#rule-0), and was ended.',
  ],
])('a limit that was set further out is named where it was kept further in, by %s', (flags, details, expected) => {
  const answered = flags === 'UT' ? { status: 504 } : { status: 200, grpcStatus: '4' };
  const { explanation } = explain(
    [
      outbound('storefront', 'orders', 0, 300.8, { ...answered, rule: 'TrafficPolicy shop/slow' }),
      inbound('orders', 'storefront', 1, 298, { ...answered, flags, details }),
    ],
    () => 'orders.yaml:7',
  );
  expect(explanation.why[0]).toBe(expected);
  expect(explanation.next[0]).toBe('TrafficPolicy shop/slow is in orders.yaml:7');
});

test('a limit that was set further out is not that of what went out of time by one of its own', () => {
  const { explanation } = explain([
    outbound('storefront', 'orders', 0, 299, { status: 504, rule: 'TrafficPolicy shop/slow' }),
    inbound('orders', 'storefront', 1, 200, {
      ...{ status: 504, flags: 'UT', details: 'response_timeout', rule: 'HTTPRoute shop/inner' },
    }),
  ]);
  expect(explanation.why[0]).toContain('which is the time that HTTPRoute shop/inner gives');
});

test('the policy of a fallback is not taken for who set the limit', () => {
  const { explanation } = explain([
    outbound('storefront', 'orders', 0, 301, { status: 200, flags: 'FB', rule: 'TrafficPolicy shop/fallback' }),
    inbound('orders', 'storefront', 1, 298, { status: 504, flags: 'UT', details: 'response_timeout' }),
  ]);
  expect(explanation.why.join()).not.toContain('the time that TrafficPolicy shop/fallback gives');
});

test('a limit that was over is named where nobody further in tells', () => {
  const { explanation } = explain([
    outbound('storefront', 'orders', 0, 301, {
      ...{ status: 504, details: 'via_upstream', rule: 'TrafficPolicy shop/slow' },
    }),
  ]);
  expect(explanation.why[0]).toBe(
    'Orders answered 504 when the time that TrafficPolicy shop/slow gives was over (route shop/orders#rule-0).',
  );
});

test('a policy that let a request pass has not set its limit', () => {
  expect(explained(504, 'UT', 'response_timeout', 'AuthorizationPolicy shop/allow').why[0]).toContain(
    'the time that the route shop/orders#rule-0, or the caller, gives',
  );
});

test('retries are not said to be of who set the time of one try', () => {
  const { why } = explained(504, 'URX,UT', 'upstream_per_try_timeout', 'TrafficPolicy shop/slow');
  expect(why[1]).toBe('It was tried 1 time: no retry, which is as many as its route allows.');
});

test.each([
  [
    'NC',
    'cluster_not_found',
    'HTTPRoute shop/orders leads to a backend that does not exist (route shop/orders#rule-0).',
  ],
  [
    '',
    'direct_response',
    'HTTPRoute shop/orders has no backend that exists (route shop/orders#rule-0), so the sidecar answered 500 itself.',
  ],
])(
  'of a backend that is missing (%s) it is said which route names it, where, and what is missing',
  (flags, details, first) => {
    const { why, next } = explained(500, flags, details, 'HTTPRoute shop/orders', ['there is no Service shop/nowhere']);
    expect(why).toEqual([first, 'There is no Service shop/nowhere.']);
    expect(next[0]).toBe('HTTPRoute shop/orders is in orders.yaml:7');
  },
);

test('of a slow one it is said where the time went', () => {
  const { explanation } = explain([
    outbound('storefront', 'orders', 0, 2_100),
    inbound('orders', 'storefront', 1, 2_095, { phases: { firstByte: ms(2_090), done: ms(2_095) } }),
    outbound('orders', 'payments', 5, 40),
  ]);
  expect(explanation.why).toEqual(['2.06 s of 2.1 s were spent in orders itself, beside its own calls.']);
});

test('a flag of another version is told to be one', () => {
  const { explanation } = explain([outbound('a', 'b', 0, 1, { flags: 'XYZ', status: 503 })]);
  expect(explanation.why[0]).toContain('XYZ');
});
