import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  JwtAuthenticationSchema,
  PerRouteConfigSchema,
} from './api/envoy/extensions/filters/http/jwt_authn/v3/config_pb.js';
import { jwtAuthn, jwtAuthnPerRoute } from './decode-jwt-authn.ts';
import { type Decoded, decodeJson } from './test/decode-json.ts';

const decode = (json: unknown) =>
  decodeJson(JwtAuthenticationSchema, json, (message, path, faults) => jwtAuthn(message, 'jwt', path, faults));
const provider = (fields: object = {}): object => ({ local_jwks: { inline_string: '{}' }, ...fields });
const only = (fields: object) => decode({ providers: { shop: provider(fields) } });
const faultsOf = ({ faults }: Decoded<unknown>): readonly string[] => faults;
const rule = (requires: unknown, more: object = {}) =>
  decode({ providers: { shop: provider() }, rules: [{ match: { prefix: '/' }, requires }], ...more });

describe('JwtAuthentication', () => {
  it('has Envoy’s defaults', () => {
    expect(only({}).value!.providers.get('shop')).toEqual({
      name: 'shop',
      issuer: '',
      audiences: [],
      subjects: null,
      requireExpiration: false,
      maxLifetimeSeconds: null,
      jwks: '{}',
      clockSkewSeconds: 60,
      fromHeaders: [{ name: 'authorization', prefix: 'Bearer ' }],
      fromParams: ['access_token'],
      fromCookies: [],
      forward: false,
      forwardPayloadHeader: '',
      padForwardPayload: false,
      payloadInMetadata: '',
      headerInMetadata: '',
      spaceDelimitedClaims: [],
      claimToHeaders: [],
      cacheSize: 1000,
    });
  });

  it('takes what it is given', () => {
    const { value } = only({
      issuer: 'i',
      audiences: ['a'],
      subjects: { prefix: 's' },
      max_lifetime: '90s',
      clock_skew_seconds: 5,
      from_headers: [{ name: 'X-Token', value_prefix: 'T ' }],
      from_cookies: ['session'],
      forward: true,
      forward_payload_header: 'X-Payload',
      normalize_payload_in_metadata: { space_delimited_claims: ['scope'] },
      claim_to_headers: [{ header_name: 'X-Sub', claim_name: 'sub' }],
      jwt_cache_config: { jwt_cache_size: 7 },
    });
    expect(value!.providers.get('shop')).toMatchObject({
      subjects: { kind: 'prefix', value: 's' },
      maxLifetimeSeconds: 90,
      clockSkewSeconds: 5,
      fromHeaders: [{ name: 'x-token', prefix: 'T ' }],
      // A place that is named closes the usual ones.
      fromParams: [],
      fromCookies: ['session'],
      forwardPayloadHeader: 'x-payload',
      spaceDelimitedClaims: ['scope'],
      claimToHeaders: [{ header: 'x-sub', claim: 'sub' }],
      cacheSize: 7,
    });
  });

  it('reads keys from a file when the configuration arrives', () => {
    const folder = mkdtempSync(join(tmpdir(), 'outrigger-jwks-'));
    const filename = join(folder, 'jwks.json');
    writeFileSync(filename, '{"keys":[]}');
    expect(only({ local_jwks: { filename } }).value!.providers.get('shop')!.jwks).toBe('{"keys":[]}');
    rmSync(folder, { recursive: true });
    expect(faultsOf(only({ local_jwks: { filename } }))).toEqual([
      `providers["shop"].local_jwks.filename: cannot read ${filename}: there is no such file`,
    ]);
  });

  it('takes keys that nobody can use: they refuse tokens, not the configuration', () => {
    expect(only({ local_jwks: { inline_string: 'broken' } }).value!.providers.get('shop')!.jwks).toBe('broken');
    expect(only({ local_jwks: { inline_bytes: 'e30=' } }).value!.providers.get('shop')!.jwks).toBe('{}');
  });

  it('nests requirements, and takes them by name', () => {
    const any = { requires_any: { requirements: [{ provider_name: 'shop' }, { allow_missing: {} }] } };
    const all = {
      requires_all: {
        requirements: [{ provider_and_audiences: { provider_name: 'shop', audiences: ['a'] } }, any, {}],
      },
    };
    const { value } = decode({
      providers: { shop: provider() },
      rules: [
        { match: { prefix: '/free' } },
        { match: { path: '/named' }, requirement_name: 'all' },
        { match: { prefix: '/' }, requires: { allow_missing_or_failed: {} } },
      ],
      requirement_map: { all },
    });
    const shop = { kind: 'provider', provider: 'shop', audiences: null };
    const expected = {
      kind: 'all',
      requirements: [
        { ...shop, audiences: ['a'] },
        { kind: 'any', requirements: [shop, { kind: 'allow-missing' }] },
        { kind: 'allow' },
      ],
    };
    expect(value!.rules.map(({ requirement }) => requirement)).toEqual([
      null,
      expected,
      { kind: 'allow-missing-or-failed' },
    ]);
    expect(value!.requirements.get('all')).toEqual(expected);
  });

  it.each<[string, Decoded<unknown>, string]>([
    [
      'keys that the sidecar would have to fetch',
      decode({ providers: { shop: { remote_jwks: { http_uri: { uri: 'http://a', cluster: 'a', timeout: '1s' } } } } }),
      'providers["shop"].remote_jwks: is not supported; see docs/xds-support.md',
    ],
    ['no keys', decode({ providers: { shop: {} } }), 'providers["shop"]: needs local_jwks'],
    [
      'clear_route_cache',
      only({ clear_route_cache: true }),
      'providers["shop"].clear_route_cache: is not supported; see docs/xds-support.md',
    ],
    [
      'a provider that is not there',
      rule({ provider_name: 'other' }),
      'rules[0].requires.provider_name: "other" is not a provider; there are: shop',
    ],
    [
      'one alternative',
      rule({ requires_any: { requirements: [{ provider_name: 'shop' }] } }),
      'rules[0].requires.requires_any.requirements: needs at least two',
    ],
    [
      'a requirement that is not there',
      decode({ rules: [{ match: { prefix: '/' }, requirement_name: 'x' }] }),
      'rules[0].requirement_name: "x" is not in requirement_map, which has: none',
    ],
    ['a rule for nothing', decode({ rules: [{}] }), 'rules[0].match: is missing'],
    [
      'a claim in Host',
      only({ claim_to_headers: [{ header_name: 'host', claim_name: 'sub' }] }),
      'providers["shop"].claim_to_headers[0].header_name: "host" is not a header that can be added',
    ],
    [
      'no claim',
      only({ claim_to_headers: [{ header_name: 'x-a', claim_name: '' }] }),
      'providers["shop"].claim_to_headers[0].claim_name: must not be empty',
    ],
    [
      'a payload in a header that is none',
      only({ forward_payload_header: 'a b' }),
      'providers["shop"].forward_payload_header: "a b" is not a header that can be added',
    ],
    [
      'tokens in a pseudo-header',
      only({ from_headers: [{ name: ':path' }] }),
      'providers["shop"].from_headers[0].name: ":path" is not a header that can hold a token',
    ],
    [
      'too large a cache',
      only({ jwt_cache_config: { jwt_cache_size: 1_000_000 } }),
      'providers["shop"].jwt_cache_config.jwt_cache_size: 1000000 is not between 1 and 100000',
    ],
    [
      'too many keys',
      only({ local_jwks: { inline_string: ' '.repeat(1_048_577) } }),
      'providers["shop"].local_jwks: has 1048577 bytes, above 1048576',
    ],
  ])('refuses %s by its path', (_what, decoded, fault) => {
    expect(faultsOf(decoded)).toEqual([fault]);
  });
});

describe('PerRouteConfig', () => {
  const perRoute = (json: unknown) =>
    decodeJson(PerRouteConfigSchema, json, (message, path, faults) =>
      jwtAuthnPerRoute(message, undefined, path, faults),
    );

  it('turns the filter off, or names a requirement', () => {
    expect(perRoute({ disabled: true }).value).toEqual({ kind: 'jwt-authn', requirementName: null });
    expect(perRoute({ requirement_name: 'x' }).value).toEqual({ kind: 'jwt-authn', requirementName: 'x' });
  });

  it.each([
    [{}, ': needs disabled or requirement_name'],
    [{ disabled: false }, 'disabled: can only be true'],
    [{ requirement_name: '' }, 'requirement_name: must not be empty'],
  ])('refuses %j', (json, fault) => {
    expect(faultsOf(perRoute(json))).toEqual([fault.replace(/^: /, '')]);
  });
});
