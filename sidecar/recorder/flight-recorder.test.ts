import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { HeaderFields } from '../codec/header-fields.ts';
import { StatStore } from '../stats/stat-store.ts';
import { FlightRecorder, type TappedExchange } from './flight-recorder.ts';
import { anyRequest } from './request-filter.ts';
import type { Kept, RequestRecord } from './request-record.ts';
import { recordedAttempt, requestRecord } from './test/records.ts';

const exchange: TappedExchange = {
  requestFields: new HeaderFields(),
  responseFields: null,
  requestBody: null,
  responseBody: null,
  hiddenParameters: new Set(),
};

function recorder(maxBytes?: number, stats = new StatStore(), samplesPerSecond = 100): FlightRecorder {
  return new FlightRecorder({
    service: 'shop/orders',
    nodeId: 'n',
    ...{ stats, samplesPerSecond },
    ...(maxBytes === undefined ? {} : { maxBytes }),
  });
}

function offer(to: FlightRecorder, overrides: Partial<RequestRecord>): RequestRecord {
  const record = requestRecord(overrides);
  to.offer(record, exchange);
  return record;
}

describe('what is kept', () => {
  let ids = 0;
  const kept = (to: FlightRecorder, nowMs: number, status: number, durationMs = 5, flags = '', grpcStatus = ''): Kept =>
    to.keeps(status, grpcStatus, flags, durationMs, durationMs, false, `r${ids++}`, nowMs);

  test('failures, slow requests, and of the rest a sample', () => {
    const to = recorder(undefined, undefined, 1);
    expect(kept(to, 0, 200)).toBe('sample');
    expect(Array.from({ length: 100 }, () => kept(to, 49, 200)).filter((each) => each === '').length).toBeGreaterThan(
      90,
    );
    expect(kept(to, 49, 500)).toBe('error');
    expect(kept(to, 49, 404, 5, 'NR')).toBe('error');
    expect(kept(to, 49, 200, 5, '', '14')).toBe('error');
    expect(kept(to, 49, 200, 1_000)).toBe('slow');
    expect(kept(to, 2_000, 200)).toBe('sample');
  });

  test('a tunnel is not slow because it is long, but where its answer was waited for', () => {
    expect(recorder().keeps(101, '', '', 60_000, 20, true, 'a', 0)).toBe('sample');
    expect(recorder().keeps(101, '', '', 60_000, 2_000, true, 'a', 0)).toBe('slow');
  });

  test('in a storm 250 of a second are kept, and the others counted', () => {
    const stats = new StatStore();
    const to = recorder(undefined, stats);
    const storm = Array.from({ length: 1_000 }, (_, i) => kept(to, i / 10, 503, 5, 'UF'));
    expect(storm.filter((each) => each === 'error').length).toBe(250);
    expect(stats.counters.get('flight_recorder.passed_over')!.value).toBe(750);
    expect(kept(to, 1_000, 503, 5, 'UF')).toBe('error');
  });

  test('nothing, when it is off; who taps hears of all the same', () => {
    const to = recorder(0);
    expect(kept(to, 0, 500)).toBe('');
    const heard: string[] = [];
    to.onRecord(({ requestId }) => heard.push(requestId));
    offer(to, { kept: '' });
    expect(heard).toEqual(['id-1']);
    expect(to.size).toBe(0);
  });
});

describe('finding', () => {
  test('by request id and by trace id, in the order in which they began', () => {
    const to = recorder();
    const later = offer(to, { traceId: 'a'.repeat(32), startedWallMs: 20 });
    const sooner = offer(to, { traceId: 'a'.repeat(32), startedWallMs: 10, requestId: 'id-2', kept: 'error' });
    expect(to.find('a'.repeat(32))).toEqual([sooner, later]);
    expect(to.find('A'.repeat(32))).toEqual([sooner, later]);
    expect(to.find('id-2')).toEqual([sooner]);
    expect(to.find('')).toEqual([]);
    expect(to.find('constructor')).toEqual([]);
  });

  test('the newest first, of all kinds together, and so many at most', () => {
    const to = recorder();
    const kinds: Kept[] = ['sample', 'error', 'slow'];
    for (let i = 0; i < 30; i++) offer(to, { requestId: `r${i}`, startedWallMs: i, kept: kinds[i % 3]! });
    expect(to.list(anyRequest, 4).map(({ requestId }) => requestId)).toEqual(['r29', 'r28', 'r27', 'r26']);
    expect(to.list({ ...anyRequest, status: '500' }, 4)).toEqual([]);
  });

  test('one that is gone is not found any more', () => {
    const to = recorder(64 * 1024);
    for (let i = 0; i < 100; i++) offer(to, { requestId: `r${i}`, traceId: i.toString(16).padStart(32, 'a') });
    expect(to.find('r0')).toEqual([]);
    expect(to.find('0'.padStart(32, 'a'))).toEqual([]);
    expect(to.find('r99').length).toBe(1);
  });
});

describe('tapping', () => {
  test('hears of every request until it ends; bodies are taken while somebody wants them', () => {
    const to = recorder();
    const heard: string[] = [];
    expect(to.tapped).toBe(false);
    const end = to.onRecord(({ requestId }) => heard.push(requestId), 100_000);
    const other = to.onRecord(() => {}, 10);
    expect([to.tapped, to.bodyBytes]).toEqual([true, 65_536]);
    offer(to, {});
    end();
    offer(to, { requestId: 'id-2' });
    expect(heard).toEqual(['id-1']);
    expect(to.bodyBytes).toBe(10);
    other();
    expect([to.tapped, to.bodyBytes]).toEqual([false, 0]);
  });

  test('a listener may leave while it is called', () => {
    const to = recorder();
    let heard = 0;
    const leaveAll = (): void => {
      heard++;
      for (const end of ends) end();
    };
    const ends = [to.onRecord(leaveAll), to.onRecord(leaveAll)];
    offer(to, {});
    offer(to, {});
    expect(heard).toBe(2);
  });
});

describe('bounds', () => {
  test('a million hostile requests that differ in everything, and fail, keep within them', () => {
    const maxBytes = 512 * 1024;
    const to = recorder(maxBytes);
    const long = 'p'.repeat(900);
    for (let i = 0; i < 1_000_000; i++) {
      // 20 000 a second; every third fails, every third is slow.
      const kept = to.keeps(i % 3 === 0 ? 503 : 200, '', '', i % 3 === 1 ? 2_000 : 1, 0, false, `r${i}`, i / 20);
      if (kept === '' && i < 999_999) continue;
      const id = i.toString(16).padStart(32, '0');
      offer(to, {
        requestId: id,
        traceId: `f${id.slice(1)}`,
        path: `/${i}/${long}`,
        kept: kept === '' ? 'error' : kept,
      });
    }
    expect(to.bytes).toBeLessThanOrEqual(maxBytes);
    expect(to.size).toBeGreaterThan(100);
    expect(to.find((999_999).toString(16).padStart(32, '0')).length).toBe(1);
    expect(to.find('1'.padStart(32, '0'))).toEqual([]);
  });

  test('the same id again and again is one entry of as many records as there may be', () => {
    const to = recorder(64 * 1024);
    for (let i = 0; i < 10_000; i++) offer(to, { requestId: 'same', traceId: 'same' });
    expect(to.find('same').length).toBe(to.size);
  });

  test('whatever comes, bytes and index agree with what is kept', () => {
    const one = fc.record({
      requestId: fc.constantFrom('', 'a', 'b', 'c'),
      traceId: fc.constantFrom('', 'a', 'x', 'y'),
      path: fc.string({ maxLength: 1_024 }),
      attempts: fc.integer({ min: 0, max: 24 }),
      kept: fc.constantFrom<Kept>('error', 'slow', 'sample', ''),
    });
    fc.assert(
      fc.property(fc.array(one, { maxLength: 120 }), fc.integer({ min: 0, max: 48 }), (requests, kib) => {
        const to = recorder(kib * 1024);
        for (const { attempts, ...rest } of requests)
          offer(to, { ...rest, attempts: Array.from({ length: attempts }, () => recordedAttempt()) });
        expect(to.bytes).toBeLessThanOrEqual(kib * 1024);
        const all = to.list(anyRequest, 1_000);
        expect(all.length).toBe(to.size);
        for (const id of ['a', 'b', 'c', 'x', 'y'])
          expect(new Set(to.find(id))).toEqual(
            new Set(all.filter(({ requestId, traceId }) => requestId === id || traceId === id)),
          );
      }),
    );
  });
});
