import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { jsonSchemas } from './json-schema.ts';
import { parseDocument } from './kind.ts';
import type { HttpRouteResource, Resource, ServiceResource } from './resource.ts';
import { pathText } from './schema-fault.ts';

const place = { file: 'test.yaml', line: 1, column: 1 };

function faults(yaml: string): string[] {
  const result = parseDocument(parse(yaml), place);
  return 'faults' in result ? result.faults.map(({ path, message }) => `${pathText(path)}: ${message}`) : [];
}

function resource(yaml: string): Resource {
  const result = parseDocument(parse(yaml), place);
  if ('faults' in result) throw new Error(JSON.stringify(result.faults));
  return result.resource;
}

const service = (spec: string): string =>
  `{apiVersion: outrigger.dev/v1, kind: Service, metadata: {name: orders, namespace: shop}, spec: ${spec}}`;
const httpRoute = (rules: string): string =>
  `{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: orders, namespace: shop}, spec: {parentRefs: [{group: "", kind: Service, name: orders}], rules: [${rules}]}}`;
const grpcRoute = (rules: string): string => httpRoute(rules).replace('HTTPRoute', 'GRPCRoute');

describe('Service', () => {
  test('fills in defaults', () => {
    expect(
      resource(
        service(
          '{ports: [{port: 80}], zone: a, endpoints: [{address: 10.0.0.1}, {address: "fd00::1", port: 99, weight: 3, zone: b}]}',
        ),
      ),
    ).toMatchObject({
      kind: 'Service',
      ports: [{ name: '', port: 80, targetPort: 80, protocol: 'http' }],
      selector: null,
      endpoints: [
        { address: '10.0.0.1', port: null, weight: 1, zone: 'a' },
        { address: 'fd00::1', port: 99, weight: 3, zone: 'b' },
      ],
    });
  });

  test('has the addresses that it brings, of either group, in their usual form; None is none', () => {
    const addresses = (spec: string): unknown => (resource(service(spec)) as ServiceResource).addresses;
    expect(addresses('{ports: [{port: 80}]}')).toEqual([]);
    expect(addresses('{ports: [{port: 80}], clusterIP: None}')).toEqual([]);
    expect(addresses('{ports: [{port: 80}], clusterIP: 10.96.0.7, clusterIPs: [10.96.0.7, "FD00:0:0::7"]}')).toEqual([
      '10.96.0.7',
      'fd00::7',
    ]);
    expect(
      resource(
        '{apiVersion: v1, kind: Service, metadata: {name: a, creationTimestamp: "2026-01-01T00:00:00Z"}, spec: {ports: [{port: 80}], clusterIP: 10.96.0.7}}',
      ),
    ).toMatchObject({ addresses: ['10.96.0.7'], createdAt: '2026-01-01T00:00:00Z' });
    expect(faults(service('{ports: [{port: 80}], clusterIP: db.local}'))).toEqual([
      'spec.clusterIP: "db.local" is not an IP address; write 10.96.0.7 or fd00::7, or None',
    ]);
  });

  test('names every fault at once, with field path and what is accepted', () => {
    expect(
      faults(
        service(
          '{ports: [{port: "80", appProtocol: htp}, {port: 0}], endpoint: [], endpoints: [{address: db.local, weight: 0}]}',
        ),
      ),
    ).toEqual([
      'spec.ports[0].port: "80" is not a port number: a whole number from 1 to 65535; leave the quotes out',
      'spec.ports[0].appProtocol: "htp" is not accepted; accepted: "http", "http2", "grpc", "tcp"; did you mean http?',
      'spec.ports[1].port: 0 is not a port number: a whole number from 1 to 65535',
      'spec.endpoints[0].address: "db.local" is not an IP address; write 10.0.3.7 or fd00::7',
      'spec.endpoints[0].weight: 0 is not a weight: a whole number from 1 to 128',
      'spec.endpoint: is not a field here; accepted: ports, endpoints, selector, zone, clusterIP, clusterIPs, serviceAccounts',
    ]);
  });

  test('suggests the field that was meant', () => {
    expect(faults(service('{port: [{port: 80}]}'))).toEqual([
      'spec.ports: is missing; a list is expected',
      'spec.port: is not a field here; did you mean ports?',
    ]);
  });

  test('refuses names that are not RFC 1123 labels', () => {
    expect(faults(service('{ports: [{port: 80}]}').replace('name: orders', 'name: Orders_1'))[0]).toMatch(
      /^metadata\.name: "Orders_1" is not a name/,
    );
  });

  test('refuses doubled and unnamed ports, and endpoint ports that could mean any of several', () => {
    expect(
      faults(service('{ports: [{port: 80}, {port: 80, name: b}], endpoints: [{address: 10.0.0.1, port: 1}]}')),
    ).toEqual([
      'spec.ports[0].name: is missing; it is needed when there are several ports',
      'spec.ports[1].port: 80 occurs twice; each port of a Service has a number of its own',
      'spec.endpoints[0].port: 1 is ambiguous, as the Service has several ports; give each port its targetPort instead',
    ]);
  });

  test('label names of a prototype do no harm (hardening.md, header rules)', () => {
    expect(faults(service('{ports: [{port: 80}], selector: {__proto__: x}}'))).toHaveLength(1);
    expect(
      (resource(service('{ports: [{port: 80}], selector: {constructor: x}}')) as { selector: object }).selector,
    ).toEqual({ constructor: 'x' });
  });
});

describe('core v1 Service', () => {
  test('is read as kubectl prints it', () => {
    const found = resource(`
apiVersion: v1
kind: Service
metadata: { name: pay, creationTimestamp: "2026-01-01T00:00:00Z", uid: x, resourceVersion: "4", managedFields: [{}] }
spec:
  clusterIP: 10.96.0.7
  clusterIPs: [10.96.0.7]
  internalTrafficPolicy: Cluster
  ipFamilies: [IPv4]
  ipFamilyPolicy: SingleStack
  sessionAffinity: None
  type: ClusterIP
  selector: { app: pay }
  ports:
    - { name: grpc-main, port: 80, protocol: TCP, targetPort: grpc }
    - { name: h2c, port: 81, appProtocol: kubernetes.io/h2c, targetPort: 8081 }
    - { name: db, port: 5432, appProtocol: postgresql }
    - { name: dns, port: 53, protocol: UDP }
status: { loadBalancer: {} }`);
    expect(found).toMatchObject({
      namespace: 'default',
      selector: { app: 'pay' },
      ports: [
        { port: 80, targetPort: null, protocol: 'grpc' },
        { port: 81, targetPort: 8081, protocol: 'http2' },
        { port: 5432, protocol: 'tcp' },
      ],
    });
  });

  test.each([
    ['{ name: https, port: 443, targetPort: 6443 }', 'tcp'],
    ['{ name: https-api, port: 443 }', 'tcp'],
    ['{ name: tls, port: 443 }', 'tcp'],
    ['{ name: web, port: 443, appProtocol: https }', 'tcp'],
    ['{ name: http, port: 443, appProtocol: tls }', 'tcp'],
    ['{ name: http-tls, port: 80 }', 'http'],
    ['{ port: 443 }', 'http'],
  ])('what is encrypted by the application is passed on as it is: %s is %s', (port, protocol) => {
    const text = `apiVersion: v1\nkind: Service\nmetadata: { name: kubernetes }\nspec: { ports: [${port}] }\n`;
    expect(resource(text)).toMatchObject({ ports: [{ protocol }] });
  });

  test('checks its TCP ports also where there are others', () => {
    const ports =
      '[{name: dns, port: 53, protocol: UDP}, {name: a, port: 80}, {name: dns, port: 53}, {name: b, port: 80}]';
    expect(faults(`apiVersion: v1\nkind: Service\nmetadata: { name: a }\nspec: { ports: ${ports} }\n`)).toEqual([
      'spec.ports[3].port: 80 occurs twice; each port of a Service has a number of its own',
    ]);
  });
});

const timeout = (text: string): unknown =>
  (resource(httpRoute(`{timeouts: ${text}}`)) as HttpRouteResource).rules[0]!.timeoutMs;

const rewrite = (modifier: string, match: string): string[] =>
  faults(httpRoute(`{matches: [{path: ${match}}], filters: [{type: URLRewrite, urlRewrite: {path: ${modifier}}}]}`));

describe('HTTPRoute', () => {
  test('fills in defaults', () => {
    expect(resource(httpRoute('{backendRefs: [{name: a, port: 80}]}'))).toMatchObject({
      parents: [{ namespace: 'shop', name: 'orders', port: null, portName: '', path: 'spec.parentRefs[0]' }],
      rules: [
        {
          matches: [{ path: { type: 'PathPrefix', value: '/' }, headers: [], queryParams: [], method: '' }],
          backends: [{ namespace: 'shop', name: 'a', port: 80, weight: 1, path: 'spec.rules[0].backendRefs[0]' }],
          redirect: null,
          rewrite: null,
          timeoutMs: null,
        },
      ],
    });
  });

  test('says the duration format (voice.md)', () => {
    expect(faults(httpRoute('{timeouts: {request: 2sec}}'))).toEqual([
      'spec.rules[0].timeouts.request: "2sec" is not a duration; write it as 2s or 2000ms',
    ]);
    expect(faults(httpRoute('{timeouts: {request: 1s, backendRequest: 2s}}'))).toEqual([
      'spec.rules[0].timeouts.backendRequest: "2s" is longer than timeouts.request ("1s")',
    ]);
  });

  test('takes the timeout of a request, and 0s as none', () => {
    expect(timeout('{request: 1m30s500ms}')).toBe(90_500);
    expect(timeout('{request: 10s, backendRequest: 2s}')).toBe(10_000);
    expect(timeout('{request: 0s}')).toBe(0);
  });

  test('refuses what is not built as "not supported yet", by field path', () => {
    expect(
      faults(
        httpRoute(
          '{sessionPersistence: {}, filters: [{type: RequestMirror, requestMirror: {}}, {type: ExtensionRef}, {type: UrlRewrite}]}',
        ),
      ),
    ).toEqual([
      'spec.rules[0].filters[0].type: "RequestMirror" is not supported yet; accepted: RequestHeaderModifier, ResponseHeaderModifier, RequestRedirect, URLRewrite',
      'spec.rules[0].filters[1].type: "ExtensionRef" is not supported yet; accepted: RequestHeaderModifier, ResponseHeaderModifier, RequestRedirect, URLRewrite',
      'spec.rules[0].filters[2].type: "UrlRewrite" is not accepted; accepted: RequestHeaderModifier, ResponseHeaderModifier, RequestRedirect, URLRewrite; did you mean URLRewrite?',
      'spec.rules[0].sessionPersistence: is not supported yet',
    ]);
    expect(faults(httpRoute('{}').replace('kind: Service', 'kind: Gateway'))).toEqual([
      'spec.parentRefs[0].kind: "Gateway" is not supported yet; only a Service is accepted',
    ]);
    expect(
      faults(httpRoute('{backendRefs: [{name: a, port: 1, filters: [{type: URLRewrite, urlRewrite: {}}]}]}'))[0],
    ).toContain('spec.rules[0].backendRefs[0].filters[0].type: "URLRewrite" is not accepted');
  });

  test('refuses rewrites that the path matches cannot carry', () => {
    expect(rewrite('{type: ReplaceFullPath, replaceFullPath: /x}', '{type: Exact, value: /a}')).toEqual([]);
    expect(rewrite('{type: ReplaceFullPath, replaceFullPath: /x}', '{value: /a}')[0]).toContain(
      'filters[0].urlRewrite.path.type: "ReplaceFullPath" is not supported yet',
    );
    expect(rewrite('{type: ReplacePrefixMatch, replacePrefixMatch: /x}', '{value: /a}')).toEqual([]);
    expect(rewrite('{type: ReplacePrefixMatch, replacePrefixMatch: /x}', '{type: Exact, value: /a}')[0]).toContain(
      '"ReplacePrefixMatch" needs PathPrefix',
    );
  });

  test('refuses paths that are not in normal form, bad expressions, doubled headers and Host', () => {
    const match = (text: string): string => faults(httpRoute(`{matches: [${text}]}`))[0]!;
    expect(match('{path: {value: a}}')).toContain('it begins with /');
    expect(match('{path: {value: /a/../b}}')).toContain('normal form');
    expect(match('{path: {value: "/a?b"}}')).toContain('no ? and no #');
    expect(match('{path: {type: RegularExpression, value: "(?=a)"}}')).toMatch(
      /value: ".*" is not a regular expression \(RE2 syntax\)/,
    );
    expect(match('{headers: [{name: X-A, value: "1"}, {name: x-a, value: "2"}]}')).toContain(
      'matches[0].headers[1].name: "x-a" occurs twice',
    );
    expect(
      faults(
        httpRoute('{filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: Host, value: a}]}}]}'),
      )[0],
    ).toContain('use a URLRewrite filter with hostname');
  });

  test.each([
    ['set: [{name: Connection, value: close}]', 'set[0].name: "Connection" cannot be set by a header filter'],
    ['add: [{name: content-length, value: "5"}]', 'add[0].name: "content-length" cannot be set by a header filter'],
    ['add: [{name: a, value: b}, {name: Transfer-Encoding, value: gzip}]', 'add[1].name: "Transfer-Encoding" cannot'],
    ['set: [{name: ":path", value: /}]', 'set[0].name: ":path" is not a header name'],
    ['set: [{name: x-price, value: "5 €"}]', 'set[0].value: "5 €" holds a character that may not stand in a header'],
    ['set: [{name: x, value: "a\\nb: c"}]', 'holds a character that may not stand in a header value'],
  ])('refuses header changes that no proxy takes, by field path: %s', (change, fault) => {
    const modifier = `{type: ResponseHeaderModifier, responseHeaderModifier: {${change}}}`;
    expect(faults(httpRoute(`{filters: [${modifier}]}`))).toEqual([expect.stringContaining(fault)]);
    expect(
      faults(httpRoute(`{backendRefs: [{name: a, port: 1, filters: [${modifier}]}]}`)).filter((each) =>
        each.includes(fault),
      ),
    ).toHaveLength(1);
  });

  test.each(['/\\u0001', '/é', '/a b', '/a?b', '/%zz'])('refuses %j as a replacement for a path', (value) => {
    expect(rewrite(`{type: ReplacePrefixMatch, replacePrefixMatch: "${value}"}`, '{value: /a}')).toEqual([
      expect.stringContaining('filters[0].urlRewrite.path.replacePrefixMatch'),
    ]);
  });
});

describe('GRPCRoute', () => {
  test('refuses a quotation without an end, which would swallow the rest of the path', () => {
    expect(
      faults(
        grpcRoute("{matches: [{method: {type: RegularExpression, service: '\\Qshop.Pay', method: '\\QPay\\E'}}]}"),
      ),
    ).toEqual([
      expect.stringContaining('matches[0].method.service: "\\\\Qshop.Pay" is no complete regular expression'),
    ]);
  });

  test('refuses a service and a method that are expressions alone but not together (RE2: a group has its name once)', () => {
    const both = (method: string): readonly string[] =>
      faults(grpcRoute(`{matches: [{method: {type: RegularExpression, service: '(?P<n>x)', method: '${method}'}}]}`));
    expect(both('(?P<n>x)')).toEqual([
      expect.stringMatching(
        /matches\[0\]\.method\.method: .* does not go with the one before it: .*duplicate capture group/,
      ),
    ]);
    expect(both('(?P<m>x)')).toEqual([]);
  });

  test('takes methods by name and by expression', () => {
    expect(
      resource(
        grpcRoute(
          '{matches: [{method: {service: shop.Pay, method: Charge}}, {method: {type: RegularExpression, method: "Get.*"}}]}',
        ),
      ),
    ).toMatchObject({
      kind: 'GRPCRoute',
      rules: [
        {
          matches: [
            { type: 'Exact', service: 'shop.Pay', method: 'Charge' },
            { type: 'RegularExpression', service: '', method: 'Get.*' },
          ],
        },
      ],
    });
  });

  test('refuses empty and malformed method matches', () => {
    expect(faults(grpcRoute('{matches: [{method: {}}]}'))).toEqual([
      'spec.rules[0].matches[0].method: has neither service nor method; give at least one',
    ]);
    expect(faults(grpcRoute('{matches: [{method: {service: /shop}}]}'))).toEqual([
      'spec.rules[0].matches[0].method.service: "/shop" is not a gRPC service name; write it as shop.Payments',
    ]);
  });
});

test('an unknown kind is told with the kinds that there are', () => {
  expect(faults('{apiVersion: outrigger.dev/v1, kind: Servce}')).toEqual([
    'kind: "Servce" is not a kind; accepted: Service, HTTPRoute, GRPCRoute, TrafficPolicy, PeerAuthentication, AuthorizationPolicy, RequestAuthentication, FaultPolicy, RateLimitPolicy, Telemetry; did you mean Service?',
  ]);
  expect(faults('{apiVersion: outrigger.dev/v1, kind: ProxyExtension}')).toEqual([
    'kind: "ProxyExtension" is not supported yet; accepted: Service, HTTPRoute, GRPCRoute, TrafficPolicy, PeerAuthentication, AuthorizationPolicy, RequestAuthentication, FaultPolicy, RateLimitPolicy, Telemetry',
  ]);
  expect(faults('{apiVersion: v2, kind: Service}')).toEqual([
    'apiVersion: "v2" is not accepted for kind Service; accepted: outrigger.dev/v1, v1',
  ]);
  expect(faults('[1]')[0]).toContain('not a map');
});

test('the schemas under docs/schema are current (print-schemas.ts writes them)', () => {
  for (const [file, text] of jsonSchemas())
    expect(readFileSync(join(import.meta.dirname, '../../docs/schema', file), 'utf8'), `docs/schema/${file}`).toBe(
      text,
    );
});
