import fc from 'fast-check';
import { expect, test } from 'vitest';
import { HeaderFields } from '../codec/header-fields.ts';
import { RequestHead } from '../codec/message-head.ts';
import type { HeaderMatchConfig, RouteConfig, RouteMatchConfig } from '../config/route-config.ts';
import { noHeaderMutations } from '../config/route-config.ts';
import { forward, pathMatch, route, routeTable } from '../connection-manager/test/configs.ts';
import { RouteTable } from './route-table.ts';

function head(path: string, ...pairs: ReadonlyArray<readonly [string, string]>): RequestHead {
  return new RequestHead('GET', 'http', 'orders.shop', path, '1.1', HeaderFields.of(...pairs));
}

function hosts(domains: Readonly<Record<string, readonly string[]>>, ignorePortInHost = false): RouteTable {
  const virtualHosts = Object.entries(domains).map(([name, list]) => ({
    name,
    domains: list,
    routes: [],
    requestHeaders: noHeaderMutations,
    responseHeaders: noHeaderMutations,
  }));
  return new RouteTable(routeTable([], { virtualHosts, ignorePortInHost }));
}

function only(match: RouteMatchConfig): (request: RequestHead) => boolean {
  const table = new RouteTable(routeTable([route('r', match, forward('c'))]));
  return (request) => table.route(request) !== null;
}

function headerTest(
  test: HeaderMatchConfig['test'],
  overrides: Partial<HeaderMatchConfig> = {},
): (request: RequestHead) => boolean {
  return only(
    pathMatch(
      { kind: 'prefix', value: '/' },
      { headers: [{ name: 'x-a', test, invert: false, treatMissingAsEmpty: false, ...overrides }] },
    ),
  );
}

test('domains: exact, then longest suffix, then longest prefix, then * (Envoy)', () => {
  const table = hosts({
    exact: ['a.b.c'],
    short: ['*.c'],
    long: ['*.b.c'],
    dash: ['*-x.b.c'],
    prefix: ['a.*'],
    longer: ['a.b.*'],
    any: ['*'],
  });
  const found = (host: string): string => table.virtualHost(host)!.name;
  expect(['a.b.c', 'A.B.C', 'z.b.c', 'z-x.b.c', 'z.c', '.c', 'a.b.z', 'a.z', 'a.', 'q', ''].map(found)).toEqual([
    'exact',
    'exact',
    'long',
    'dash',
    'short',
    'any',
    'longer',
    'prefix',
    'any',
    'any',
    'any',
  ]);
});

test('domains: a port is part of the host unless the table ignores it', () => {
  const exact = hosts({ a: ['a'], b: ['a:80'] });
  expect([exact.virtualHost('a')?.name, exact.virtualHost('a:80')?.name, exact.virtualHost('a:81')]).toEqual([
    'a',
    'b',
    null,
  ]);
  const ignoring = hosts({ a: ['a'], six: ['[::1]'] }, true);
  expect([
    ignoring.virtualHost('a:81')?.name,
    ignoring.virtualHost('[::1]:8080')?.name,
    ignoring.virtualHost('[::1]')?.name,
  ]).toEqual(['a', 'six', 'six']);
});

test('a host named like a property of every object is only a name', () => {
  expect(hosts({ a: ['a'] }).virtualHost('__proto__')).toBe(null);
  expect(hosts({ a: ['constructor'] }).virtualHost('constructor')!.name).toBe('a');
});

test('paths: exact, prefix, separated prefix, regular expression on the whole path, without the query', () => {
  const cases: ReadonlyArray<readonly [RouteMatchConfig['path'], readonly string[], readonly string[]]> = [
    [{ kind: 'exact', value: '/a' }, ['/a', '/a?q'], ['/a/', '/A', '/ab']],
    [{ kind: 'prefix', value: '/a' }, ['/a', '/ab', '/a/b?q'], ['/', '/A', '/b?/a']],
    [{ kind: 'separated-prefix', value: '/a' }, ['/a', '/a/', '/a/b', '/a?x'], ['/ab', '/']],
    [{ kind: 'regex', value: '/v[0-9]+/x' }, ['/v1/x', '/v22/x?y'], ['/v/x', '/v1/x/', 'x/v1/x']],
  ];
  for (const [path, yes, no] of cases) {
    const matches = only(pathMatch(path));
    expect(yes.filter((target) => !matches(head(target)))).toEqual([]);
    expect(no.filter((target) => matches(head(target)))).toEqual([]);
  }
});

test('paths: case_sensitive false', () => {
  for (const kind of ['exact', 'prefix', 'separated-prefix'] as const) {
    const matches = only(pathMatch({ kind, value: '/AbC' }, { caseSensitive: false }));
    expect([matches(head('/abc')), matches(head('/ABC?q')), matches(head('/abd'))]).toEqual([true, true, false]);
  }
});

test('a regular expression takes linear time, whatever the path', () => {
  const matches = only(pathMatch({ kind: 'regex', value: '/(a+)+b' }));
  expect(matches(head(`/${'a'.repeat(5_000)}`))).toBe(false);
});

test('headers: all kinds, inverted, absent and in several fields', () => {
  const exact = headerTest({ kind: 'string', match: { kind: 'exact', value: 'One', ignoreCase: true } });
  expect([exact(head('/', ['X-A', 'oNE'])), exact(head('/', ['x-a', 'two'])), exact(head('/'))]).toEqual([
    true,
    false,
    false,
  ]);
  const inverted = headerTest(
    { kind: 'string', match: { kind: 'prefix', value: 'o', ignoreCase: false } },
    { invert: true },
  );
  expect([inverted(head('/', ['x-a', 'one'])), inverted(head('/', ['x-a', 'two'])), inverted(head('/'))]).toEqual([
    false,
    true,
    false,
  ]);
  const missing = headerTest(
    { kind: 'string', match: { kind: 'exact', value: '', ignoreCase: false } },
    { treatMissingAsEmpty: true },
  );
  expect([missing(head('/')), missing(head('/', ['x-a', 'x']))]).toEqual([true, false]);
  const range = headerTest({ kind: 'range', start: -10, end: 10 });
  expect(['-10', '9', '10', '1x', ''].map((value) => range(head('/', ['x-a', value])))).toEqual([
    true,
    true,
    false,
    false,
    false,
  ]);
  const absent = headerTest({ kind: 'present', present: false });
  expect([absent(head('/')), absent(head('/', ['x-a', '']))]).toEqual([true, false]);
  const list = headerTest({ kind: 'string', match: { kind: 'exact', value: 'a,b', ignoreCase: false } });
  expect(list(head('/', ['x-a', 'a'], ['X-A', 'b']))).toBe(true);
  const method = headerTest(
    { kind: 'string', match: { kind: 'exact', value: 'GET', ignoreCase: false } },
    { name: ':method' },
  );
  expect(method(head('/'))).toBe(true);
});

test('query parameters: every one must be found; the first of a name counts', () => {
  const matches = only(
    pathMatch(
      { kind: 'prefix', value: '/' },
      {
        queryParameters: [
          { name: 'v', test: { kind: 'string', match: { kind: 'exact', value: 'a+b', ignoreCase: false } } },
          { name: 'w', test: { kind: 'present' } },
        ],
      },
    ),
  );
  expect(['/?v=a+b&w', '/?v=a%2Bb&w=1', '/?v=c&v=a+b&w', '/?v=a+b', '/'].map((path) => matches(head(path)))).toEqual([
    true,
    true,
    false,
    false,
    false,
  ]);
});

test('gRPC routes take gRPC only', () => {
  const matches = only(pathMatch({ kind: 'prefix', value: '/' }, { grpcOnly: true }));
  const types = [
    'application/grpc',
    'application/grpc+proto',
    'application/grpc;x=1',
    'application/grpc-web',
    'application/json',
  ];
  expect(types.map((type) => matches(head('/', ['content-type', type])))).toEqual([true, true, true, false, false]);
});

test('weighted clusters share by weight; a weight of 0 gets nothing', () => {
  const clusters = [
    ['a', 90],
    ['b', 0],
    ['c', 10],
  ].map(([name, weight]) => ({
    name: String(name),
    weight: Number(weight),
    requestHeaders: noHeaderMutations,
    responseHeaders: noHeaderMutations,
  }));
  const found = new RouteTable(
    routeTable([route('r', pathMatch({ kind: 'prefix', value: '/' }), forward('', { clusters }))]),
  ).route(head('/'))!;
  const counts = new Map<string, number>();
  for (let i = 0; i < 1000; i++) {
    const { name } = found.chooseTarget(i / 1000);
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  expect(counts).toEqual(
    new Map([
      ['a', 900],
      ['c', 100],
    ]),
  );
  expect(found.chooseTarget(0.999_999_999_999_999_9).name).toBe('c');
});

test('an index finds what trying all routes in order finds', () => {
  const segment = fc.constantFrom('', 'a', 'b', 'ab', 'A');
  const path = fc.array(segment, { maxLength: 3 }).map((segments) => `/${segments.join('/')}`);
  const match = fc.record({
    kind: fc.constantFrom('exact', 'prefix', 'separated-prefix', 'regex'),
    value: path,
    caseSensitive: fc.boolean(),
    grpcOnly: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(match, { minLength: 1, maxLength: 30 }), path, fc.boolean(), (matches, target, grpc) => {
      const routes: RouteConfig[] = matches.map(({ kind, value, caseSensitive, grpcOnly }, i) =>
        route(
          String(i),
          pathMatch({ kind, value } as RouteMatchConfig['path'], { caseSensitive, grpcOnly }),
          forward('c'),
        ),
      );
      const request = head(target, ['content-type', grpc ? 'application/grpc' : 'text/plain']);
      const inOrder = routes.find((each) => new RouteTable(routeTable([each])).route(request) !== null)?.name;
      // Padding that matches nothing makes the table large enough for an index.
      const padding = Array.from({ length: 8 }, (_, i) =>
        route(`p${i}`, pathMatch({ kind: 'exact', value: `/none/${i}` }), forward('c')),
      );
      expect(new RouteTable(routeTable([...routes, ...padding])).route(request)?.name).toBe(inOrder);
    }),
    { numRuns: 300 },
  );
});

test('1,000 routes cost little more than one', () => {
  const routes = Array.from({ length: 1000 }, (_, i) =>
    route(`r${i}`, pathMatch({ kind: 'prefix', value: `/service-${i}/` }), forward('c')),
  );
  const large = new RouteTable(routeTable(routes));
  const target = head('/service-999/a/b?c=d');
  expect(large.route(target)!.name).toBe('r999');
  let tested = 0;
  const counting = new Proxy(target, {
    get(object, property, receiver) {
      if (property === 'path') tested++;
      return Reflect.get(object, property, receiver) as unknown;
    },
  });
  large.route(counting);
  expect(tested).toBeLessThan(5);
});
