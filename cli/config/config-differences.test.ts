import type { JsonObject } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { configDifferences, differencesText } from './config-differences.ts';
import type { ConfigResource } from './config-resource.ts';

function cluster(name: string, body: JsonObject, more: Partial<ConfigResource> = {}): ConfigResource {
  return {
    kind: 'clusters',
    name,
    origin: 'dynamic',
    state: 'active',
    version: '1',
    updated: '',
    fault: '',
    resource: body,
    ...more,
  };
}

const host = (address: string, weight: number) => ({
  endpoint: { address: { socket_address: { address, port_value: 80 } } },
  load_balancing_weight: weight,
});

test('names what one alone has, and each field that differs by its path', () => {
  const left = [cluster('a', { type: 'EDS', tls: { ciphers: ['x', 'y'] } }), cluster('gone', {})];
  const right = [cluster('a', { tls: { ciphers: ['x', 'z'] }, lb: 1 }, { version: '2' }), cluster('new', {})];
  const found = configDifferences(left, right);
  expect(found.map(({ name, change }) => `${name} ${change}`)).toEqual([
    'a changed',
    'gone only left',
    'new only right',
  ]);
  expect(found[0]!.fields).toEqual([
    { path: 'type', left: 'EDS' },
    { path: 'tls.ciphers[1]', left: 'y', right: 'z' },
    { path: 'lb', right: 1 },
  ]);
  expect(differencesText(found, 'one', 'two')).toBe(
    '--- one\n+++ two\n~ clusters a   version 1 | 2\n    type: EDS | -\n    tls.ciphers[1]: y | z\n    lb: - | 1\n- clusters gone\n+ clusters new\n',
  );
});

test('elements with names are matched by them: one in front is one difference; an order is one where it counts', () => {
  const list = (...names: readonly string[]) => [cluster('a', { filters: names.map((name) => ({ name })) })];
  expect(configDifferences(list('b', 'c'), list('a', 'b', 'c'))[0]!.fields).toEqual([
    { path: 'filters[a]', right: { name: 'a' } },
  ]);
  expect(configDifferences(list('b', 'c'), list('c', 'b'))[0]!.fields).toEqual([
    { path: 'filters (order)', left: 'b, c', right: 'c, b' },
  ]);
  const hosts = (...all: readonly JsonObject[]) => [cluster('a', { lb_endpoints: all as JsonObject[] })];
  expect(configDifferences(hosts(host('1', 1), host('2', 1)), hosts(host('2', 1), host('1', 1)))).toEqual([]);
  expect(configDifferences(hosts(host('1', 1), host('2', 1)), hosts(host('2', 5), host('1', 1)))[0]!.fields).toEqual([
    { path: 'lb_endpoints[2:80].load_balancing_weight', left: 1, right: 5 },
  ]);
});

test('another version is no difference; a refusal is one, with its reason', () => {
  expect(configDifferences([cluster('a', {})], [cluster('a', {}, { version: '2' })])).toEqual([]);
  const refused = configDifferences([cluster('a', {})], [cluster('a', {}, { fault: 'x: is bad\ny: too' })]);
  expect(differencesText(refused, 'l', 'r')).toContain('~ clusters a\n    refused: x: is bad\n    refused: y: too\n');
});

test('a configuration does not differ from itself, and differs the other way round as much (property)', () => {
  const body = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 }));
  fc.assert(
    fc.property(body, body, (one, other) => {
      const [left, right] = [one, other].map((each) => [cluster('a', JSON.parse(JSON.stringify(each)) as JsonObject)]);
      expect(configDifferences(left!, left!)).toEqual([]);
      expect(configDifferences(left!, right!)[0]?.fields.length).toBe(
        configDifferences(right!, left!)[0]?.fields.length,
      );
    }),
  );
});
