/** Policies in the model: identity, warnings of what they name, keys, and the rows of `outrigger get policies`. */
import { describe, expect, test } from 'vitest';
import { refusingKeySet } from '../config-kind/key-set-text.ts';
import type { Resource } from '../config-kind/resource.ts';
import { checkKeyFiles } from '../jwks/check-key-files.ts';
import { faultText } from '../source/fault.ts';
import { parseFile } from '../source/parse-file.ts';
import { ModelBuilder } from './model-builder.ts';
import { listPolicies } from './policy-list.ts';

function resourcesOf(...documents: string[]): readonly Resource[] {
  const { resources, faults } = parseFile('p.yaml', documents.join('\n---\n'));
  expect(faults).toEqual([]);
  return resources;
}

const document = (kind: string, name: string, spec: string, namespace = 'shop'): string =>
  `{apiVersion: outrigger.dev/v1, kind: ${kind}, metadata: {name: ${name}, namespace: ${namespace}}, spec: ${spec}}`;
const orders = document('Service', 'orders', '{ports: [{port: 80}, {name: db, port: 1, appProtocol: tcp}]}').replace(
  '{port: 80}',
  '{name: http, port: 80}',
);

function warnings(...documents: string[]): string[] {
  return new ModelBuilder()
    .build({ resources: resourcesOf(orders, ...documents), instances: [] })
    .warnings.filter(({ resource }) => resource !== 'Service shop/orders')
    .map(({ place, resource, message }) => `${place} ${resource}: ${message}`);
}

describe('warnings', () => {
  test('of Services that are not there, by their places', () => {
    expect(
      warnings(
        document('PeerAuthentication', 'a', '{targetRefs: [{kind: Service, name: order}], mtls: {mode: STRICT}}'),
        document(
          'AuthorizationPolicy',
          'b',
          '{action: EXTERNAL, external: {service: {name: orders, port: 2}, protocol: grpc}}',
        ),
        document(
          'AuthorizationPolicy',
          'c',
          '{action: EXTERNAL, external: {service: {name: gone, port: 1}, protocol: http, failOpen: true}}',
        ),
      ),
    ).toEqual([
      'p.yaml:3:116 PeerAuthentication shop/a: spec.targetRefs[0]: there is no Service shop/order; the policy holds for what registers under that name',
      'p.yaml:5:133 AuthorizationPolicy shop/b: spec.external.service: Service shop/orders has no port 2; it has 80 (http), 1 (db); requests are denied',
      'p.yaml:7:133 AuthorizationPolicy shop/c: spec.external.service: there is no Service shop/gone; nobody is asked, and requests pass',
    ]);
  });

  test('of rules that can never match, and of two policies where one counts', () => {
    const token = '{rules: [{from: [{source: {requestPrincipals: ["*"]}}]}]}';
    expect(
      warnings(
        document('AuthorizationPolicy', 'a', '{action: DENY}'),
        document('AuthorizationPolicy', 'b', token),
        document('PeerAuthentication', 'c', '{mtls: {mode: STRICT}}'),
        document('PeerAuthentication', 'd', '{mtls: {mode: DISABLE}}'),
      ).map((line) => line.replace(/^\S+ /, '')),
    ).toEqual([
      'AuthorizationPolicy shop/a: spec.rules: a DENY policy without rules denies nothing',
      'AuthorizationPolicy shop/b: spec.rules[0]: looks at a token, but no RequestAuthentication of shop or outrigger says whose tokens are good: nobody has one',
      'PeerAuthentication shop/d: metadata.name: PeerAuthentication shop/c is for the same workloads; the older one counts, or the first by name',
    ]);
    const users = document(
      'RequestAuthentication',
      'users',
      '{jwtRules: [{issuer: i, jwksUri: "https://i/keys"}]}',
      'outrigger',
    );
    expect(warnings(document('AuthorizationPolicy', 'b', token), users)).toEqual([]);
  });

  test("of ports that are a Service's, where policies look at the application's", () => {
    const ports = (of: string, more = ''): string =>
      `{${more} action: DENY, rules: [{to: [{operation: {methods: [GET]}}]}, {to: [{operation: {ports: [${of}]}}]}]}`;
    const service = document('Service', 'pay', '{ports: [{name: a, port: 80, targetPort: 9000}, {name: b, port: 82}]}');
    const at = (...documents: string[]): string[] => {
      const { warnings: all } = new ModelBuilder().build({
        resources: resourcesOf(service, ...documents),
        instances: [],
      });
      return all.map(({ resource, place, message }) => `${place} ${resource}: ${message}`);
    };
    const meant =
      "port 80 is the Service's, and policies look at the one that the application listens on: 9000 was probably meant";
    expect(
      at(
        document('AuthorizationPolicy', 'a', ports('80, 9000, 82, 7')),
        document('AuthorizationPolicy', 'b', ports('80', 'targetRefs: [{kind: Service, name: pay}],')),
        document(
          'PeerAuthentication',
          'c',
          '{mtls: {mode: STRICT}, portLevelMtls: {80: {mode: DISABLE}}}'.replace(
            '{mtls',
            '{targetRefs: [{kind: Service, name: pay}], mtls',
          ),
        ),
        document(
          'AuthorizationPolicy',
          'd',
          '{action: DENY, rules: [{when: [{key: destination.port, notValues: ["80"]}]}]}',
          'outrigger',
        ),
        // Of those an application may listen on 80.
        document('AuthorizationPolicy', 'e', ports('80'), 'office'),
      ).map((line) => line.replace(/^p\.yaml:/, '')),
    ).toEqual([
      `3:166 AuthorizationPolicy shop/a: spec.rules[1]: ${meant}`,
      expect.stringMatching(/^5:\d+ AuthorizationPolicy shop\/b: spec\.rules\[1\]: port 80/),
      expect.stringMatching(/^7:\d+ PeerAuthentication shop\/c: spec\.portLevelMtls: port 80/),
      expect.stringMatching(/^9:\d+ AuthorizationPolicy outrigger\/d: spec\.rules\[0\]: port 80/),
    ]);
    expect(at(document('AuthorizationPolicy', 'a', ports('80')), orders)).toEqual([]);
  });

  test('of files with keys that cannot be read, in validate', () => {
    const resources = resourcesOf(
      document('RequestAuthentication', 'users', '{jwtRules: [{issuer: i, jwksFile: keys.json}]}'),
    );
    const check = (text: string | null): string[] =>
      checkKeyFiles(resources, () => {
        if (text === null) throw new Error('ENOENT');
        return text;
      }).map(faultText);
    expect(check(null)).toEqual([
      'p.yaml:1:133: spec.jwtRules[0].jwksFile: keys.json cannot be read: ENOENT; every token of this issuer is refused',
    ]);
    expect(check('{"keys":[]}')[0]).toContain('keys.json has no key');
  });
});

describe('identity', () => {
  const users = document('RequestAuthentication', 'users', '{jwtRules: [{issuer: i, jwksUri: "https://i/keys"}]}');
  const deny = document(
    'AuthorizationPolicy',
    'deny',
    '{selector: {matchLabels: {b: x, a: x}}, action: DENY, rules: [{}]}',
  );

  test('of policies stays while they say the same; keys that come change the policy that names them', () => {
    const builder = new ModelBuilder();
    const build = (keySets: ReadonlyMap<string, string>, ...documents: string[]) =>
      builder.build({ resources: resourcesOf(orders, users, deny, ...documents), instances: [], keySets }).policies;
    const first = build(new Map());
    expect(first.requests[0]!.rules[0]!.jwks).toBe(refusingKeySet());
    expect(build(new Map())).toBe(first);
    const second = build(
      new Map([['https://i/keys', 'keys']]),
      document('PeerAuthentication', 'p', '{mtls: {mode: STRICT}}'),
    );
    expect(second.authorizations).toBe(first.authorizations);
    expect(second.requests[0]!.rules[0]!.jwks).toBe('keys');
    expect(second.labelKeys).toEqual(['a', 'b']);
  });

  test('the key that stands for none is the same at every start, and a point of the curve', () => {
    expect(refusingKeySet()).toContain('"x":"WNYF_lWwiJuqN9p110-bqLK6pumFEuAvgn3vKpez51Q"');
  });
});

test('rows say for whom a policy holds, and what', () => {
  const { policies } = new ModelBuilder().build({
    resources: resourcesOf(
      orders,
      document('PeerAuthentication', 'mesh', '{mtls: {mode: STRICT}}', 'outrigger'),
      document(
        'AuthorizationPolicy',
        'a',
        '{targetRefs: [{kind: Service, name: orders}], dryRun: true, rules: [{}, {from: [{source: {principals: ["*"], notIpBlocks: [10.0.0.0/8]}}], to: [{operation: {methods: [GET], paths: ["/a*"]}}], when: [{key: "request.headers[X-A]", values: [b]}]}]}',
      ),
      document(
        'RequestAuthentication',
        'u',
        '{selector: {matchLabels: {v: "1"}}, jwtRules: [{issuer: i, audiences: [a, b], jwksUri: "https://i/"}]}',
      ),
    ),
    instances: [],
  });
  expect(listPolicies({ policies })).toEqual([
    {
      namespace: 'outrigger',
      kind: 'PeerAuthentication',
      name: 'mesh',
      holdsFor: ['the mesh'],
      action: 'STRICT',
      rules: 0,
      says: [],
    },
    {
      namespace: 'shop',
      kind: 'AuthorizationPolicy',
      name: 'a',
      holdsFor: ['shop/orders'],
      action: 'ALLOW (dry run)',
      rules: 2,
      says: ['everything', 'from principal * and ip not 10.0.0.0/8 to method GET and path /a* when header x-a b'],
    },
    {
      namespace: 'shop',
      kind: 'RequestAuthentication',
      name: 'u',
      holdsFor: ['v=1 in shop'],
      action: '',
      rules: 1,
      says: ['tokens of i for a or b'],
    },
  ]);
});
