import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { HeaderFields } from '../../codec/header-fields.ts';
import { ResponseHead } from '../../codec/message-head.ts';
import type { StaleAnswerConfig } from '../../config/route-resilience-config.ts';
import { answerKey, StaleAnswers } from './stale-answers.ts';

type Pairs = ReadonlyArray<readonly [string, string]>;
const settings: StaleAnswerConfig = { maxAgeMs: 60_000, maxEntryBytes: 1_000, varyBy: [] };
const none = new HeaderFields();

function keep(
  answers: StaleAnswers,
  key: string,
  body: string,
  nowMs: number,
  pairs: Pairs = [],
  fields = none,
  config = settings,
): boolean {
  const collector = answers.collect(key, fields, new ResponseHead(200, HeaderFields.of(...pairs)), config, nowMs);
  collector?.add(Buffer.from(body), true);
  return collector !== null;
}

function found(answers: StaleAnswers, key: string, nowMs: number, fields = none): string | null {
  return answers.find(key, fields, settings.maxAgeMs, nowMs)?.body.toString() ?? null;
}

describe('an answer', () => {
  test('is given with its own fields, without those of the connection, and with its age', () => {
    const answers = new StaleAnswers(100_000);
    const pairs: Pairs = [
      ['ETag', '"1"'],
      ['Connection', 'keep-alive, X-Hop'],
      ['Keep-Alive', 'timeout=5'],
      ['X-Hop', '1'],
      ['Content-Length', '5'],
      ['Age', '3'],
    ];
    keep(answers, 'k', 'hello', 1_000, pairs);
    const answer = answers.find('k', none, 60_000, 2_600)!;
    expect(answer.fields.pairs()).toEqual([['ETag', '"1"']]);
    expect(answer.ageSeconds).toBe(4);
    expect(answer.body.toString()).toBe('hello');
  });

  test('is not given beyond its age, nor beyond what it allows, and leaves then', () => {
    const answers = new StaleAnswers(100_000);
    keep(answers, 'a', 'x', 0);
    keep(answers, 'b', 'x', 0, [['cache-control', 'max-age=10, must-revalidate']]);
    keep(answers, 'c', 'x', 0, [['age', '50']]);
    expect(['a', 'b', 'c'].map((key) => found(answers, key, 10_000))).toEqual(['x', 'x', 'x']);
    expect(['a', 'b', 'c'].map((key) => found(answers, key, 10_001))).toEqual(['x', null, null]);
    expect(found(answers, 'a', 60_000)).toBe('x');
    expect(found(answers, 'a', 60_001)).toBeNull();
    expect([answers.size, answers.bytes]).toEqual([0, 0]);
  });

  test('that is too old when it comes, too long, or cut, is not kept', () => {
    const answers = new StaleAnswers(100_000);
    expect(keep(answers, 'a', 'x', 0, [['age', '60']])).toBe(false);
    expect(keep(answers, 'a', 'x', 0, [['content-length', '1001']])).toBe(false);
    keep(answers, 'a', 'x'.repeat(1_001), 0);
    keep(answers, 'a', 'short', 0, [['content-length', '10']]);
    const collector = answers.collect('a', none, new ResponseHead(200, new HeaderFields()), settings, 0)!;
    collector.add(Buffer.from('x'), false);
    collector.abandon();
    collector.add(Buffer.from('y'), true);
    expect(answers.size).toBe(0);
  });

  test('is renewed once in a second at most, and collected from one request at a time', () => {
    const answers = new StaleAnswers(100_000);
    const first = answers.collect('a', none, new ResponseHead(200, new HeaderFields()), settings, 0)!;
    expect(keep(answers, 'a', 'second', 0)).toBe(false);
    first.add(Buffer.from('first'), true);
    expect(keep(answers, 'a', 'third', 999)).toBe(false);
    expect(keep(answers, 'a', 'fourth', 1_000)).toBe(true);
    expect(found(answers, 'a', 1_000)).toBe('fourth');
  });

  test('holds bytes of its own: the read buffer is used again', () => {
    const answers = new StaleAnswers(100_000);
    const buffer = Buffer.from('mine');
    const collector = answers.collect('a', none, new ResponseHead(200, new HeaderFields()), settings, 0)!;
    collector.add(buffer, true);
    buffer.fill('!');
    expect(found(answers, 'a', 0)).toBe('mine');
    expect(answers.find('a', none, 60_000, 0)!.body.buffer.byteLength).toBe(4);
  });
});

test('what tells answers apart: route, scheme, host, path with query, and the fields that Vary or the policy name', () => {
  const keys = [
    answerKey('r', '', 'http', 'orders.shop', '/a'),
    answerKey('r', '', 'http', 'orders.shop', '/a?b'),
    answerKey('s', '', 'http', 'orders.shop', '/a'),
    answerKey('r', '', 'https', 'orders.shop', '/a'),
    answerKey('r', '', 'http', 'orders', '/a'),
    answerKey('r', 'spiffe://cluster.local/ns/shop/sa/web', 'http', 'orders.shop', '/a'),
  ];
  expect(new Set(keys).size).toBe(keys.length);
  expect(answerKey('r', '', 'http', 'Orders.Shop', '/a')).toBe(keys[0]);
  const answers = new StaleAnswers(100_000);
  const german = HeaderFields.of(['accept-language', 'de']);
  const english = HeaderFields.of(['Accept-Language', 'en']);
  keep(answers, 'k', 'hallo', 0, [['vary', 'Accept-Language']], german);
  keep(answers, 'k', 'hello', 0, [['vary', 'Accept-Language']], english);
  expect([found(answers, 'k', 0, german), found(answers, 'k', 0, english), found(answers, 'k', 0)]).toEqual([
    'hallo',
    'hello',
    null,
  ]);
  const byUser = { ...settings, varyBy: ['x-user'] };
  const ann = HeaderFields.of(['x-user', 'ann']);
  keep(answers, 'u', 'of ann', 0, [], ann, byUser);
  expect([
    found(answers, 'u', 0, ann),
    found(answers, 'u', 0),
    found(answers, 'u', 0, HeaderFields.of(['x-user', 'bob'])),
  ]).toEqual(['of ann', null, null]);
});

describe('bounds', () => {
  const step = fc.record({
    key: fc.nat(12),
    bytes: fc.nat(1_500),
    language: fc.constantFrom('de', 'en', ''),
    varies: fc.boolean(),
    passedMs: fc.nat(5_000),
    use: fc.boolean(),
  });

  test('whatever is kept and asked for, it holds no more than it may, counts what it holds, and gives only what that request was answered', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const maxBytes = 8_000;
        const answers = new StaleAnswers(maxBytes);
        let now = 0;
        for (const { key, bytes, language, varies, passedMs, use } of steps) {
          now += passedMs;
          const fields = HeaderFields.of(['accept-language', language]);
          const name = `k${key}`;
          // A target's answers differ by language, or they do not.
          const pairs: Pairs = varies && key % 2 === 0 ? [['vary', 'accept-language']] : [];
          if (use) {
            const body = found(answers, name, now, fields);
            if (body !== null) expect(body.startsWith(`${name} `)).toBe(true);
            if (body !== null && body.startsWith(`${name} varied`))
              expect(body.startsWith(`${name} varied ${language}.`)).toBe(true);
          } else {
            const text = `${name} ${pairs.length > 0 ? `varied ${language}.` : 'same'}`;
            keep(answers, name, text.padEnd(bytes, 'x').slice(0, Math.max(bytes, text.length)), now, pairs, fields);
          }
          expect(answers.bytes).toBeLessThanOrEqual(maxBytes);
          expect(answers.bytes > 0).toBe(answers.size > 0);
        }
        // All of it goes with its age.
        for (let key = 0; key <= 12; key++)
          for (const language of ['de', 'en', ''])
            expect(found(answers, `k${key}`, now + 60_001, HeaderFields.of(['accept-language', language]))).toBeNull();
      }),
    );
  });

  test('those that were used last stay', () => {
    const answers = new StaleAnswers(2_000);
    for (const [at, key] of ['a', 'b', 'c'].entries()) keep(answers, key, key, at);
    expect(answers.size).toBe(3);
    found(answers, 'a', 3);
    keep(answers, 'd', 'd', 4);
    expect(['a', 'b', 'c', 'd'].map((key) => found(answers, key, 5))).toEqual(['a', null, 'c', 'd']);
  });

  test('what is being collected at a time is bounded too', () => {
    const answers = new StaleAnswers(4_000);
    const collectors = [1, 2, 3].map(
      (i) => answers.collect(`k${i}`, none, new ResponseHead(200, new HeaderFields()), settings, 0)!,
    );
    for (const collector of collectors) collector.add(Buffer.alloc(400, 'x'), false);
    for (const collector of collectors) collector.add(Buffer.alloc(1, 'y'), true);
    expect([1, 2, 3].map((i) => found(answers, `k${i}`, 0) !== null)).toEqual([true, true, false]);
  });
});

test('of many requests in a moment only the first hundred are looked at, and again fifty milliseconds later', () => {
  const answers = new StaleAnswers(100_000);
  const looks = (nowMs: number): number =>
    Array.from({ length: 300 }, () => answers.mayLook(nowMs)).filter(Boolean).length;
  expect([looks(1_000), looks(1_049), looks(1_050), looks(9_000)]).toEqual([100, 0, 100, 100]);
});
