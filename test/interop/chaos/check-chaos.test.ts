/** What the checker lets pass, and that it finds each kind of violation in logs that are made up. */
import { describe, expect, test } from 'vitest';
import { type ChaosLogs, checkChaos, detectionMs, settleMs } from './check-chaos.ts';
import type { Layout } from './fault-plan.ts';
import type { AccessRecord, ClientRecord, FaultRecord, Part, ServiceRecord } from './records.ts';

const layout: Layout = {
  controlPlane: 'control-plane',
  callers: ['caller-a', 'caller-b'],
  services: new Map([['orders', ['orders-1', 'orders-2', 'orders-3']]]),
};

/** A request that began at 1000 and was answered by orders-1 at 1010. */
function client(record: Partial<ClientRecord> = {}): ClientRecord {
  return {
    ...{ id: 'r', method: 'GET', service: 'orders', caller: 'caller-a', startMs: 1_000, endMs: 1_010 },
    ...{ status: 200, error: '', flag: '', instance: 'orders-1' },
    ...record,
  };
}

const failed = (record: Partial<ClientRecord> = {}): ClientRecord =>
  client({ status: 503, error: 'no', flag: 'UF', instance: '', ...record });

function executed(instance = 'orders-1', method = 'GET', id = 'r'): readonly ServiceRecord[] {
  return (['started', 'finished'] as const).map((event) => ({ id, method, instance, event, atMs: 1_005 }));
}

function sentTo(upstream: string, id = 'r'): AccessRecord {
  return { id, pod: 'caller-a', upstream, status: 503, flag: 'UF', details: 'why', attempts: 1 };
}

function fault(part: Partial<Part>, record: Partial<Omit<FaultRecord, 'part'>> = {}): FaultRecord {
  return {
    ...{ number: 1, kind: 'kill', startMs: 990, endMs: 2_000 },
    ...record,
    part: { kind: 'sidecar', pod: 'orders-1', peer: '', ...part },
  };
}

function check(logs: Partial<ChaosLogs>) {
  return checkChaos({ layout, clients: [], services: [], accesses: [], faults: [], ...logs });
}

const violations = (logs: Partial<ChaosLogs>): readonly string[] => check(logs).violations;

describe('what ran', () => {
  test('a request that was answered by who executed it is well', () => {
    expect(violations({ clients: [client()], services: executed() })).toEqual([]);
  });

  test('a POST that ran twice is a violation, whatever faults there were and whatever its caller was told', () => {
    const services = [...executed('orders-1', 'POST'), ...executed('orders-2', 'POST')];
    for (const request of [client({ method: 'POST' }), failed({ method: 'POST' })])
      expect(violations({ clients: [request], services, accesses: [sentTo('orders-1')], faults: [fault({})] })).toEqual(
        ['POST r ran 2 times: orders-1 at 1005, orders-2 at 1005'],
      );
  });

  test('a POST that ran twice is found when its second run never came to its end, and when no caller knows of it', () => {
    const services = [...executed('orders-1', 'POST'), executed('orders-1', 'POST')[0]!];
    expect(violations({ services })).toEqual([expect.stringContaining('POST r ran 2 times')]);
  });

  test('GET and PUT may run twice', () => {
    const services = [...executed('orders-1', 'PUT'), ...executed('orders-2', 'PUT')];
    expect(check({ clients: [client({ method: 'PUT' })], services })).toMatchObject({ violations: [], repeated: 1 });
  });

  test.each([
    ['nobody executed', []],
    ['another executed', executed('orders-2')],
    ['was begun only', executed().slice(0, 1)],
  ])('an answer of 200 to what %s is a violation', (_, services) => {
    expect(violations({ clients: [client()], services })).toEqual([expect.stringContaining('did not execute it')]);
  });
});

describe('what failed', () => {
  test('without a fault is a violation, which says where it was sent', () => {
    expect(violations({ clients: [failed()], accesses: [sentTo('orders-1')] })).toEqual([
      expect.stringMatching(
        /^GET r from caller-a to orders .* failed and no fault excuses it: no\n.*sent to orders-1: UF/,
      ),
    ]);
  });

  test.each<[string, FaultRecord, Partial<ClientRecord>, boolean]>([
    ['in flight when it began', fault({}, { startMs: 1_005 }), {}, true],
    ['over before it began', fault({}, { startMs: 1_011 }), {}, false],
    [
      'sent within the time of detection',
      fault({}, { endMs: 9_000 }),
      { startMs: 990 + detectionMs, endMs: 5_000 },
      true,
    ],
    [
      'sent later than that, while it lasts',
      fault({}, { endMs: 9_000 }),
      { startMs: 991 + detectionMs, endMs: 5_000 },
      false,
    ],
    ['begun just after its end', fault({}, { endMs: 1_500 }), { startMs: 1_500 + settleMs, endMs: 5_000 }, true],
    ['begun later', fault({}, { endMs: 1_500 }), { startMs: 1_501 + settleMs, endMs: 5_000 }, false],
    ['on another pod', fault({ pod: 'orders-2' }), {}, false],
    ['by its application', fault({ kind: 'app' }), {}, true],
    ['by its network', fault({ kind: 'link' }, { kind: 'partition' }), {}, true],
    ['of the whole pod', fault({ kind: 'pod' }), {}, true],
    ['of the control plane', fault({ kind: 'control-plane', pod: 'control-plane' }), {}, false],
    ["of the control plane's network", fault({ kind: 'link', pod: 'control-plane' }, { kind: 'partition' }), {}, false],
    ['by a restart of the application', fault({ kind: 'app' }, { kind: 'restart' }), {}, true],
    ['by a restart of the pod in good order', fault({ kind: 'pod' }, { kind: 'restart' }), {}, false],
    ['by a restart of the sidecar in good order', fault({}, { kind: 'restart' }), {}, false],
    ["of the caller's sidecar", fault({ pod: 'caller-a' }, { endMs: 9_000 }), { startMs: 8_000, endMs: 8_001 }, true],
    ["of another caller's sidecar", fault({ pod: 'caller-b' }), {}, false],
    ["of the caller's network", fault({ kind: 'link', pod: 'caller-a' }, { kind: 'partition' }), {}, true],
    ['between its caller and its pod', fault({ kind: 'link', pod: 'caller-a', peer: 'orders-1' }), {}, true],
    ['between its caller and another pod', fault({ kind: 'link', pod: 'caller-a', peer: 'orders-2' }), {}, false],
    ['between another caller and its pod', fault({ kind: 'link', pod: 'caller-b', peer: 'orders-1' }), {}, false],
  ])('a fault %s', (_, each, times, excused) => {
    const result = check({ clients: [failed(times)], accesses: [sentTo('orders-1')], faults: [each] });
    expect(result.violations).toHaveLength(excused ? 0 : 1);
    expect(result.figures[0]?.failed).toBe(excused ? 1 : 0);
  });

  test.each([
    ['orders-1', 'sidecar', true],
    ['orders-2', 'sidecar', false],
    ['caller-a', 'sidecar', true],
  ] as const)(
    'a part without a core (%s) is hit for as long as that lasts, and is counted apart',
    (pod, kind, excused) => {
      const faults = [fault({ pod, kind }, { kind: 'starved', startMs: 0, endMs: 60_000 })];
      const clients = [failed({ startMs: 50_000, endMs: 50_001 })];
      const result = check({ clients, accesses: [sentTo('orders-1')], faults });
      expect([result.violations.length, result.starved]).toEqual(excused ? [0, 1] : [1, 0]);
    },
  );

  test('where it was sent is also known from who executed it, when its sidecar died before it could say', () => {
    const services = executed('orders-1', 'POST').slice(0, 1);
    expect(violations({ clients: [failed({ method: 'POST' })], services, faults: [fault({})] })).toEqual([]);
  });

  test('a request that was sent to nobody is not excused by a fault of one of its hosts', () => {
    expect(violations({ clients: [failed({ flag: 'UH' })], accesses: [sentTo('')], faults: [fault({})] })).toHaveLength(
      1,
    );
  });
});

test('figures are by kind of fault and of part, with when the last failure began', () => {
  const faults = [
    fault({}),
    fault({ pod: 'orders-2' }),
    fault({ pod: 'caller-a' }, { kind: 'stop', startMs: 9_000, endMs: 9_500 }),
  ];
  const clients = [failed(), failed({ id: 's', startMs: 1_200, endMs: 1_300 })];
  const accesses = [sentTo('orders-1'), sentTo('orders-2', 's')];
  expect(check({ clients, accesses, faults })).toMatchObject({
    violations: [],
    requests: 2,
    failed: 2,
    figures: [
      { name: 'kill sidecar', faults: 2, failed: 2, lastFailureAfterMs: 210 },
      { name: "stop caller's sidecar", faults: 1, failed: 0, lastFailureAfterMs: -Infinity },
    ],
  });
});
