import { describe, expect, test } from 'vitest';
import { faultText } from '../source/fault.ts';
import { parseFile } from '../source/parse-file.ts';
import type { AuthorizationPolicyResource, RequestAuthenticationResource } from './policy-resource.ts';
import type { Resource } from './resource.ts';

const head = (kind: string): string =>
  `apiVersion: outrigger.dev/v1\nkind: ${kind}\nmetadata: { name: p, namespace: shop }\n`;

function faults(kind: string, spec: string): string[] {
  return parseFile('p.yaml', `${head(kind)}${spec}`).faults.map(faultText);
}

function resource(kind: string, spec: string): Resource {
  const { resources, faults } = parseFile('config/p.yaml', `${head(kind)}${spec}`);
  expect(faults).toEqual([]);
  return resources[0]!;
}

const publicKey =
  '{"kty":"EC","crv":"P-256","kid":"a","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}';

describe('PeerAuthentication', () => {
  test('names every fault by file, line and field', () => {
    expect(
      faults(
        'PeerAuthentication',
        `spec:
  targetRefs: [{ kind: Deployment, name: orders }]
  selector: { matchLabels: {} }
  mtls: { mode: strict }
  portLevelMtls: { http: { mode: STRICT } }
`,
      ),
    ).toEqual([
      'p.yaml:5:18: spec.targetRefs[0].kind: "Deployment" is not supported; only a Service is accepted',
      'p.yaml:7:11: spec.mtls.mode: "strict" is not accepted; accepted: "STRICT", "PERMISSIVE", "DISABLE"; did you mean STRICT?',
      'p.yaml:8:20: spec.portLevelMtls.http: "http" is not a port number: a whole number from 1 to 65535',
    ]);
    expect(faults('PeerAuthentication', 'spec: { portLevelMtls: { 80: { mode: STRICT } } }\n')).toEqual([
      'p.yaml:4:9: spec.portLevelMtls: needs targetRefs or a selector: ports are those of a workload',
    ]);
    expect(faults('PeerAuthentication', 'spec: {}\n')).toEqual([
      'p.yaml:4:1: spec.mtls: is missing, and portLevelMtls too: the policy says nothing',
    ]);
    expect(
      faults(
        'PeerAuthentication',
        'spec: { targetRefs: [{ kind: Service, name: a }], selector: { matchLabels: {} }, mtls: { mode: STRICT } }\n',
      ),
    ).toEqual([
      'p.yaml:4:51: spec.selector: stands beside targetRefs; one of them says whom it is for',
      'p.yaml:4:63: spec.selector.matchLabels: is empty; name at least one label, or leave the selector out',
    ]);
  });
});

describe('AuthorizationPolicy', () => {
  test('fills in defaults: schemes of IDs, namespaces of accounts, lower case of headers', () => {
    const policy = resource(
      'AuthorizationPolicy',
      `spec:
  rules:
    - from: [{ source: { principals: [td/ns/a/sa/b, "td/*", "*/sa/b"], serviceAccounts: [orders] } }]
      when: [{ key: "request.headers[X-A]", values: ["b*"] }, { key: source.ip, notValues: [10.0.0.0/8] }]
`,
    ) as AuthorizationPolicyResource;
    expect(policy).toMatchObject({ action: 'ALLOW', dryRun: false, external: null });
    const [rule] = policy.rules;
    expect(rule!.from[0]).toEqual([
      {
        attribute: 'principal',
        values: [
          { type: 'exact', value: 'spiffe://td/ns/a/sa/b' },
          { type: 'prefix', value: 'spiffe://td/' },
          { type: 'suffix', value: '/sa/b' },
        ],
        notValues: [],
      },
      { attribute: 'serviceAccount', values: [{ type: 'exact', value: 'shop/orders' }], notValues: [] },
    ]);
    expect(rule!.when).toEqual([
      { attribute: 'header', name: 'x-a', values: [{ type: 'prefix', value: 'b' }], notValues: [] },
      { attribute: 'ip', values: [], notValues: [{ address: '10.0.0.0', prefixLength: 8 }] },
    ]);
  });

  test('names every fault by file, line and field', () => {
    expect(
      faults(
        'AuthorizationPolicy',
        `spec:
  action: REFUSE
  rules:
    - from:
        - source: {}
        - source: { principals: ["a*b", ""], namespaces: [a/b], serviceAccounts: ["shop/*"], ipBlocks: [10.0.0.0/33, here] }
      to:
        - operation: { paths: [admin, "/a?b=c"], methods: ["G T"], ports: ["80"], hosts: [http://x] }
        - operation: { path: [/a] }
      when:
        - { key: request.header, values: [x] }
        - { key: "request.headers[a]", values: ["a,b", " c"] }
        - { key: "request.headers[Host]", values: [a] }
        - { key: destination.port, values: ["80000"] }
        - { key: source.ip }
        - { values: [a] }
`,
      ),
    ).toEqual([
      'p.yaml:5:3: spec.action: "REFUSE" is not accepted; accepted: "ALLOW", "DENY", "EXTERNAL"',
      'p.yaml:8:11: spec.rules[0].from[0].source: names nothing; leave the entry out, or say what is to match',
      'p.yaml:9:34: spec.rules[0].from[1].source.principals[0]: "a*b" has more than one star, or one within: write text, prefix*, *suffix or *',
      'p.yaml:9:41: spec.rules[0].from[1].source.principals[1]: "" is empty; a value to compare with is expected',
      'p.yaml:9:59: spec.rules[0].from[1].source.namespaces[0]: "a/b" is not the name of a namespace',
      'p.yaml:9:83: spec.rules[0].from[1].source.serviceAccounts[0]: "shop/*" is not a service account; write it as namespace/name, without a star',
      'p.yaml:9:105: spec.rules[0].from[1].source.ipBlocks[0]: "10.0.0.0/33" is not an address or a block of addresses; write 10.0.0.0/8, fd00::/8 or 10.0.3.7',
      'p.yaml:9:118: spec.rules[0].from[1].source.ipBlocks[1]: "here" is not an address or a block of addresses; write 10.0.0.0/8, fd00::/8 or 10.0.3.7',
      'p.yaml:11:32: spec.rules[0].to[0].operation.paths[0]: "admin" is not a path: it begins with /',
      'p.yaml:11:39: spec.rules[0].to[0].operation.paths[1]: "/a?b=c" holds ? or #; a path is compared without its query',
      'p.yaml:11:60: spec.rules[0].to[0].operation.methods[0]: "G T" is not a method (RFC 9110 9.1)',
      'p.yaml:11:76: spec.rules[0].to[0].operation.ports[0]: "80" is not a port number: a whole number from 1 to 65535; leave the quotes out',
      'p.yaml:11:91: spec.rules[0].to[0].operation.hosts[0]: "http://x" is not a host name',
      'p.yaml:12:24: spec.rules[0].to[1].operation.path: is not a field here; did you mean paths?',
      'p.yaml:14:13: spec.rules[0].when[0].key: "request.header" is not known; accepted: request.headers[NAME], request.auth.claims[NAME], source.ip, source.namespace, source.principal, source.serviceAccount, request.auth.principal, request.auth.audiences, request.auth.presenter, destination.port, connection.sni, and cel instead of a key',
      'p.yaml:15:49: spec.rules[0].when[1].values[0]: "a,b" is not a value of a header: at most 256 printable ASCII characters, no comma, no space at its ends',
      'p.yaml:15:56: spec.rules[0].when[1].values[1]: " c" is not a value of a header: at most 256 printable ASCII characters, no comma, no space at its ends',
      'p.yaml:16:13: spec.rules[0].when[2].key: "request.headers[Host]" is part of the target; write it as hosts of an operation',
      'p.yaml:17:45: spec.rules[0].when[3].values[0]: "80000" is not a port number: a whole number from 1 to 65535',
      'p.yaml:18:11: spec.rules[0].when[4].values: is missing, and notValues too: the condition says nothing',
      'p.yaml:19:11: spec.rules[0].when[5].key: is missing; a key with values or notValues is expected, or cel',
    ]);
  });

  test.each([
    [
      'to: [{ operation: { paths: [VALUE] } }]',
      ['//dead', '/dead/../x', '/dead/..', '/%64ead', '/d%2fe', '/a/./*', '*/../x', '/a\\\\b'],
    ],
    ['to: [{ operation: { methods: [VALUE] } }]', ['get', 'Post']],
    ['from: [{ source: { principals: [VALUE] } }]', ['cluster.local/ns/shop', 'spiffe://td/ns/shop/']],
    ['from: [{ source: { namespaces: [VALUE] } }]', ['Shop']],
    ['when: [{ key: VALUE, values: [a] }]', ['request.headers[connection]', 'request.headers[Keep-Alive]']],
  ])('%s: a value that no request can have is a fault', (rule, values) => {
    for (const value of values)
      expect([
        value,
        ...faults('AuthorizationPolicy', `spec: { rules: [{ ${rule.replace('VALUE', `"${value}"`)} }] }\n`),
      ]).toEqual([value, expect.stringMatching(/normal form|answered 400|nobody|no capitals|no rule sees/)]);
  });

  test('values that look alike and can be met are taken', () => {
    const rule =
      '{ to: [{ operation: { paths: [/a/.well-known, "/a/.*", "/a/..*", "/a%20b", "*.html", "*..x"], methods: [PURGE, "G*", purge] } }] }';
    expect(faults('AuthorizationPolicy', `spec: { rules: [${rule}] }\n`)).toEqual([]);
  });

  test('what becomes a regular expression at a proxy is bounded', () => {
    const of = (count: number, length: number): string =>
      JSON.stringify(Array.from({ length: count }, (_, i) => `${i}`.padStart(length, 'x')));
    const condition = (field: string, values: string): string[] =>
      faults(
        'AuthorizationPolicy',
        `spec: { rules: [{ when: [{ key: "request.headers[x]", ${field}: ${values} }] }] }\n`,
      );
    expect(condition('values', of(50, 36))).toEqual([]);
    for (const field of ['values', 'notValues'])
      expect(condition(field, of(1_000, 254))).toEqual([
        expect.stringContaining(`spec.rules[0].when[0].${field}: has 254000 characters in all its values, above 2048`),
      ]);
    const hosts = (star: string): string[] =>
      faults(
        'AuthorizationPolicy',
        `spec: { rules: [{ to: [{ operation: { hosts: ${of(500, 36).replaceAll('"x', `"${star}x`)} } }] }] }\n`,
      );
    expect(hosts('')).toEqual([]);
    expect(hosts('*')).toEqual([expect.stringContaining('hosts: has 18500 characters in all its values, above 2048')]);
  });

  test('EXTERNAL needs the service that is asked, and that only', () => {
    expect(faults('AuthorizationPolicy', 'spec: { action: EXTERNAL, rules: [{}], dryRun: true }\n')).toEqual([
      'p.yaml:4:1: spec.external: is missing; action EXTERNAL needs the service that is asked',
      'p.yaml:4:27: spec.rules: is not supported yet beside action EXTERNAL: the service is asked about every request',
      'p.yaml:4:40: spec.dryRun: true is not supported beside action EXTERNAL: an answer of the service holds',
    ]);
    expect(
      faults(
        'AuthorizationPolicy',
        'spec: { external: { service: { name: a, port: 1 }, protocol: grpc, pathPrefix: /a } }\n',
      ),
    ).toEqual([
      'p.yaml:4:9: spec.external: stands without action EXTERNAL; set the action, or remove it',
      'p.yaml:4:68: spec.external.pathPrefix: "/a" has no meaning with protocol grpc; remove it',
    ]);
  });

  const cel = (text: string): string =>
    faults('AuthorizationPolicy', `spec: { rules: [{ when: [{ cel: ${JSON.stringify(text)} }] }] }\n`)
      .map((line) => line.replace(/^.*?spec\.rules\[0\]\.when\[0\]\.cel: /, ''))
      .join();

  test('conditions in CEL are checked against what proxies evaluate', () => {
    for (const good of [
      "request.headers['x'] == 'v' && has(request.headers.y)",
      "request.url_path.startsWith('/a') || !(request.method in ['PUT'])",
      "request['path'].size() < 100 && int(request.headers['x-age']) > 17",
      "connection.mtls ? true : request.path.matches('^/a[0-9]+$')",
      "metadata.filter_metadata['envoy.filters.http.jwt_authn']['shop/users#rule-0']['role'] == 'admin'",
    ])
      expect(cel(good)).toBe('');
    expect(cel('')).toContain('is empty');
    expect(cel("request.path == '")).toMatch(/is not CEL/);
    expect(cel('response.code == 200')).toContain(
      'names response, which is not known; accepted: request, destination, connection, metadata',
    );
    expect(cel("request.body == ''")).toContain('names request.body, which is not known; accepted: request.path');
    for (const source of [
      "source.address == '10.0.0.1:1'",
      'source.port == 1',
      "source['address'] == ''",
      'source[request.path] == 1',
    ])
      expect(cel(source)).toMatch(
        /names source.*, which is not accepted: x-forwarded-for may decide it; use ipBlocks, or the key source\.ip/,
      );
    expect(cel("request['body'] == ''")).toContain('names request.body, which is not known');
    expect(cel("['a'].exists(x, x == request.method)")).toContain('loops over a list');
    expect(cel("request.path.lowerAscii() == 'a'")).toContain('calls lowerAscii, which is not accepted');
    expect(cel("request.path + 'a' == 'b'")).toContain('calls _+_');
    expect(cel(`true in ${'['.repeat(100)}true${']'.repeat(100)}`)).toContain('is nested more than 64 deep');
    expect(cel(`${'('.repeat(2_000)}true${')'.repeat(2_000)}`)).not.toContain('stack');
    expect(cel('a'.repeat(5_000))).toContain('is longer than 4096 characters');
  });

  test.each([
    ["request.url_path.matches('^/export(?!/public)')", 'is not a regular expression'],
    ["request.url_path.matches('(')", 'is not a regular expression'],
    ["request.path.matches('(a{100}){100}')", 'above 10000'],
    ['request.path.matches(request.host)', 'something other than text in quotes'],
    ['request.url_path', 'comes to text, not to true or false'],
    ['1', 'comes to a number'],
    ['request.headers', 'comes to a map'],
    ["request.headers['x'] && true", 'gives text to &&, which takes true or false'],
    ['!request.headers.x', 'gives text to !'],
    ["destination.port == '80'", 'compares a number with text'],
    ["request['path'] < 3", 'compares text with a number'],
    ["request.path in 'abc'", 'gives text to in, which takes a list or a map'],
    ['size(destination.port) > 1', 'gives a number to size'],
    ["destination.port.startsWith('8')", 'gives a number to startsWith'],
    ['connection.mtls ? request.path : request.host', 'comes to text'],
  ])('%s can never be true, which is a fault', (text, fault) => {
    expect(cel(text)).toContain(fault);
  });

  test('what only a request can tell is left to it', () => {
    for (const good of [
      "metadata.filter_metadata['a']['b']",
      "metadata.filter_metadata['a']['b'] == 1",
      'has(request.headers.x)',
    ])
      expect(cel(good)).toBe('');
  });
});

describe('RequestAuthentication', () => {
  test('fills in defaults; a file with keys is found from the folder of the configuration', () => {
    const { rules } = resource(
      'RequestAuthentication',
      'spec: { jwtRules: [{ issuer: i, jwksFile: keys/a.json }, { issuer: j, jwksUri: "https://j.example/keys" }] }\n',
    ) as RequestAuthenticationResource;
    expect(rules[0]).toEqual({
      issuer: 'i',
      audiences: [],
      keys: { from: 'file', file: 'config/keys/a.json', path: 'spec.jwtRules[0].jwksFile' },
      fromHeaders: [],
      fromParams: [],
      outputClaimToHeaders: [],
      forwardOriginalToken: false,
    });
    expect(rules[1]!.keys).toMatchObject({ from: 'uri', uri: 'https://j.example/keys' });
  });

  const keys = (text: string): string =>
    faults('RequestAuthentication', `spec: { jwtRules: [{ issuer: i, jwks: ${JSON.stringify(text)} }] }\n`)
      .map((line) => line.replace(/^.*?\.jwks: /, ''))
      .join();

  test('inline keys are public keys that tokens can be verified with', () => {
    expect(keys(`{"keys":[${publicKey}]}`)).toBe('');
    expect(keys('keys')).toContain('is not JSON');
    expect(keys('[]')).toContain('is not a JSON Web Key Set');
    expect(keys('{"keys":[]}')).toContain('has no key that tokens can be verified with');
    expect(keys('{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}]}')).toContain('has no key');
    const rsa = (bits: number, more = ''): string =>
      `{"keys":[${publicKey},{"kty":"RSA","e":"AQAB","n":"${Buffer.alloc(bits / 8, 0xff).toString('base64url')}"${more}}]}`;
    expect(keys(rsa(2048))).toBe('');
    for (const bits of [24, 1024, 2040])
      expect(keys(rsa(bits))).toBe(
        `The key set has an RSA key of ${bits} bits: keys[1]; 2048 are the least (RFC 7518 3.3)`,
      );
    expect(keys('{"keys":[{"kty":"oct","k":"AA"}]}')).toContain('only public keys are accepted');
    expect(keys(`{"keys":[${publicKey.replace('"kid":"a"', '"d":"secret-number"')}]}`)).toBe(
      'The key set has a private key: keys[0]; only its public part belongs here',
    );
  });

  test('names every fault by file, line and field', () => {
    expect(
      faults(
        'RequestAuthentication',
        `spec:
  jwtRules:
    - issuer: i
    - { issuer: j, jwksFile: a, jwksUri: "ftp://a" }
    - { issuer: l, jwksUri: "http://a/keys" }
    - { issuer: m, jwksUri: "http://127.0.0.1.a/" }
    - { issuer: n, jwksUri: "http://127.0.0.1:8080/keys" }
    - { issuer: o, jwksUri: "http://[::1]/" }
    - { issuer: p, jwksUri: "http://localhost/" }
    - { issuer: k, jwksUri: "https://a/", fromHeaders: [{ name: "a b" }], outputClaimToHeaders: [{ header: x }] }
`,
      ),
    ).toEqual([
      'p.yaml:6:7: spec.jwtRules[0].jwks: is missing; jwks, jwksFile or jwksUri is expected',
      'p.yaml:7:33: spec.jwtRules[1].jwksUri: "ftp://a" is not an http or https URL',
      'p.yaml:7:33: spec.jwtRules[1].jwksUri: "ftp://a" stands beside jwksFile; one of them says where the keys are',
      'p.yaml:8:20: spec.jwtRules[2].jwksUri: "http://a/keys" is not https: keys that come by http can be replaced on their way (http is for a loopback address only)',
      'p.yaml:9:20: spec.jwtRules[3].jwksUri: "http://127.0.0.1.a/" is not https: keys that come by http can be replaced on their way (http is for a loopback address only)',
      `p.yaml:13:59: spec.jwtRules[7].fromHeaders[0].name: "a b" is not a header name: letters, digits and !#$%&'*+-.^_\`|~ (RFC 9110 5.6.2)`,
      'p.yaml:13:98: spec.jwtRules[7].outputClaimToHeaders[0].claim: is missing; text is expected',
    ]);
    const twice = 'spec: { jwtRules: [{ issuer: i, jwksUri: "https://a" }, { issuer: i, jwksUri: "https://b" }] }\n';
    expect(faults('RequestAuthentication', twice)).toEqual([
      'p.yaml:4:59: spec.jwtRules[1].issuer: "i" occurs twice; name each issuer once',
    ]);
  });

  const header = (field: string, name: string): string[] =>
    faults(
      'RequestAuthentication',
      `spec: { jwtRules: [{ issuer: i, jwksUri: "https://i/", ${field.replace('NAME', name)} }] }\n`,
    );

  test.each(['Host', 'content-length', 'Transfer-Encoding', 'connection'])(
    '%s is no header for a token, nor for a claim: a proxy would refuse all of its policies',
    (name) => {
      expect(header('fromHeaders: [{ name: NAME }]', name)).toEqual([expect.stringContaining('cannot hold a token')]);
      expect(header('outputClaimToHeaders: [{ header: NAME, claim: sub }]', name)).toEqual([
        expect.stringContaining('belongs to the connection'),
      ]);
    },
  );

  test.each([
    'X-Forwarded-Client-Cert',
    'x-forwarded-for',
    'Forwarded',
    'x-request-id',
    'x-envoy-internal',
    'x-outrigger-a',
  ])('a claim does not become %s, which proxies write', (name) => {
    expect(header('outputClaimToHeaders: [{ header: NAME, claim: sub }]', name)).toEqual([
      expect.stringContaining('proxies write it'),
    ]);
    const external = `{ service: { name: a, port: 80 }, protocol: http, headersToUpstream: [${name}] }`;
    expect(faults('AuthorizationPolicy', `spec: { action: EXTERNAL, external: ${external} }\n`)).toEqual([
      expect.stringContaining('proxies write it'),
    ]);
  });
});
