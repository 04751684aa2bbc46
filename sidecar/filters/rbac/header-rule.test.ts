import { expect, it } from 'vitest';
import type { HeaderMatchConfig } from '../../config/route-config.ts';
import { compileHeaderRule, type ValuesNeeded } from './header-rule.ts';
import { headerMatch } from './test/policies.ts';
import { requestView } from './test/requests.ts';

function matches(config: HeaderMatchConfig, needed: ValuesNeeded, ...values: readonly string[]): boolean {
  const headers = values.map((value) => [config.name, value] as const);
  return compileHeaderRule(config, needed)(requestView({ headers }));
}

it.each<[values: readonly string[], every: boolean, one: boolean]>([
  [[], false, false],
  [[''], false, false],
  [['a'], true, true],
  [['b'], false, false],
  [['a', 'a'], true, true],
  [['a', 'b'], false, true],
  [['b', 'a'], false, true],
  [['a', ''], false, true],
  [['a,b'], false, false],
])('of the values %j, for a rule that wants a: every %s, one %s', (values, every, one) => {
  const config = headerMatch('x-a', 'a');
  expect([matches(config, 'every', ...values), matches(config, 'one', ...values)]).toEqual([every, one]);
});

it.each<[values: readonly string[], every: boolean, one: boolean]>([
  [[], false, false],
  [['a'], false, false],
  [['b'], true, true],
  [['a', 'b'], false, true],
  [[''], true, true],
])('of the values %j, for a rule that wants anything but a: every %s, one %s', (values, every, one) => {
  const config = headerMatch('x-a', 'a', { invert: true });
  expect([matches(config, 'every', ...values), matches(config, 'one', ...values)]).toEqual([every, one]);
});

it('a missing header is an empty one only where the rule says so', () => {
  expect(matches(headerMatch('x-a', ''), 'every')).toBe(false);
  expect(matches(headerMatch('x-a', ''), 'every', '')).toBe(true);
  expect(matches(headerMatch('x-a', '', { treatMissingAsEmpty: true }), 'every')).toBe(true);
  expect(matches(headerMatch('x-a', 'a', { treatMissingAsEmpty: true, invert: true }), 'every')).toBe(true);
});

it.each(['__proto__', 'constructor'])('a header by the name %s is one like others', (name) => {
  expect(matches(headerMatch(name, 'a'), 'one')).toBe(false);
  expect(matches(headerMatch(name, 'a'), 'one', 'a')).toBe(true);
  const present = { ...headerMatch(name, ''), test: { kind: 'present', present: true } } as const;
  expect(matches(present, 'one')).toBe(false);
});

it('finds text beyond ASCII in the bytes that clients send for it', () => {
  const bytes = Buffer.from('é').toString('latin1');
  expect(matches(headerMatch('x-a', 'é'), 'one', bytes)).toBe(true);
  expect(matches(headerMatch('x-a', 'é'), 'one', 'é')).toBe(false);
});

it('a byte that is no UTF-8 hides nothing from a regular expression', () => {
  const config: HeaderMatchConfig = {
    ...headerMatch('x-a', ''),
    test: { kind: 'string', match: { kind: 'regex', value: '.*admin.*' } },
  };
  expect(matches(config, 'one', '\xffadmin')).toBe(true);
  expect(matches(config, 'one', '\xc3\xa9admin')).toBe(true);
});

it('pseudo-headers are the request line; host is the authority', () => {
  const test = (name: string, value: string): boolean =>
    compileHeaderRule(
      headerMatch(name, value),
      'every',
    )(requestView({ method: 'PUT', path: '/a?b=c', authority: 'h:80', headers: [['host', 'another']] }));
  expect(test(':method', 'PUT')).toBe(true);
  expect(test(':path', '/a?b=c')).toBe(true);
  expect(test(':authority', 'h:80')).toBe(true);
  expect(test('host', 'h:80')).toBe(true);
  expect(test('host', 'another')).toBe(false);
  expect(test(':status', '')).toBe(false);
});
