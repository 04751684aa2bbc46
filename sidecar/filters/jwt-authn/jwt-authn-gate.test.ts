import { describe, expect, it } from 'vitest';
import { HeaderFields } from '../../codec/header-fields.ts';
import type { RequestHead } from '../../codec/message-head.ts';
import type { JwtAuthnConfig } from '../../config/jwt-authn-config.ts';
import { anyPath, forward, pathMatch, route } from '../../connection-manager/test/configs.ts';
import { get, grpcCall, StreamRig } from '../../connection-manager/test/stream-rig.ts';
import type { LazyGate } from '../lazy-gate.ts';
import type { GateRequest, RequestGate } from '../request-gate.ts';
import { jwtAuthnConfig, of, providerConfig } from './test/jwt-configs.ts';
import { TokenIssuer } from './test/token-issuer.ts';

const issuer = new TokenIssuer('ES256', 'k1');
const stranger = new TokenIssuer('ES256', 'k1');
/** What the clock of a rig says at its start. */
const startSeconds = 1_790_000_001;
const claims = { iss: 'https://shop.example', sub: 'alice', exp: startSeconds + 600 };

const bearer = (token: string, ...more: ReadonlyArray<readonly [string, string]>): RequestHead =>
  get('/pay', HeaderFields.of(['authorization', `Bearer ${token}`], ...more));

/** Rigs that share one connection manager, so that what it remembers can be seen. */
class Rigs {
  readonly gate: RequestGate;
  readonly first: StreamRig;
  metadata: Map<string, unknown> | null = null;

  constructor(gate: RequestGate, first: StreamRig) {
    this.gate = gate;
    this.first = first;
  }

  static async of(config: JwtAuthnConfig): Promise<Rigs> {
    const rig = new StreamRig({ config: { gates: [config] } });
    const gate = rig.manager.gates[0]! as LazyGate;
    await gate.loaded;
    return new Rigs(gate, rig);
  }

  /** One request, through a rig of its own. */
  request(head: RequestHead, gates: ReadonlyMap<string, never> | null = null): StreamRig {
    const behind: RequestGate = {
      name: 'behind',
      answersAtOnce: true,
      check: (request: GateRequest) => {
        this.metadata = request.metadata;
        return null;
      },
    };
    this.metadata = null;
    return new StreamRig({
      gates: [this.gate, behind],
      routes: [route('shop/orders#rule-0', anyPath, forward('app'), { gates })],
    }).request(head);
  }
}

const usual = (): Promise<Rigs> => Rigs.of(jwtAuthnConfig([providerConfig('shop', [issuer])]));

describe('a request that must carry a token', () => {
  it('passes with a good one, which goes no further', async () => {
    const rig = (await usual()).request(bearer(issuer.token(claims), ['x-a', '1']));
    expect(rig.cluster.last.head!.fields.has('authorization')).toBe(false);
    expect(rig.cluster.last.head!.fields.get('x-a')).toBe('1');
  });

  it('is refused without one: 401, a challenge, and the rule that asks for it', async () => {
    const { downstream, logged } = (await usual()).request(get('/pay?a="b"'));
    expect(downstream.head!.status).toBe(401);
    expect(downstream.head!.fields.get('www-authenticate')).toBe('Bearer realm="http://orders.shop/pay?a=\\"b\\""');
    expect(JSON.parse(downstream.body)).toMatchObject({
      error: 'Jwt is missing.',
      rule: 'shop',
      flag: 'UAEX',
      details: 'jwt_authn_access_denied{Jwt_is_missing}',
    });
    expect(logged).toMatchObject({
      ...{ status: 401, flags: 'UAEX', details: 'jwt_authn_access_denied{Jwt_is_missing}' },
      policy: 'shop',
    });
  });

  it('is refused with one of a stranger, and says invalid_token (RFC 6750 3.1)', async () => {
    const { downstream } = (await usual()).request(bearer(stranger.token(claims)));
    expect(downstream.head!.status).toBe(401);
    expect(downstream.head!.fields.get('www-authenticate')).toBe(
      'Bearer realm="http://orders.shop/pay", error="invalid_token"',
    );
  });

  it('never prints the token', async () => {
    const token = stranger.token(claims);
    const rig = (await usual()).request(bearer(token));
    expect(`${rig.downstream.body}${rig.lines.join()}`).not.toContain(token.slice(-20));
  });

  it('gets UNAUTHENTICATED as a gRPC call', async () => {
    const { downstream } = (await usual()).request(grpcCall());
    expect(downstream.log).toEqual(['head end']);
    expect(downstream.head!.fields.get('grpc-status')).toBe('16');
    expect(downstream.head!.fields.get('content-type')).toBe('application/grpc');
    expect(downstream.head!.fields.get('www-authenticate')).toContain('Bearer realm=');
  });

  it('does not learn why where the answer is stripped', async () => {
    const rigs = await Rigs.of(jwtAuthnConfig([providerConfig('shop', [issuer])], { stripFailureResponse: true }));
    const { downstream } = rigs.request(get('/'));
    expect(downstream.head!.status).toBe(401);
    expect(downstream.head!.fields.has('www-authenticate')).toBe(false);
    expect(downstream.body).toBe('');
    expect(downstream.head!.fields.get('content-length')).toBe('0');
  });

  it('is refused while the keys are unusable, and passes where no token is asked for', async () => {
    for (const jwks of ['', 'broken', '{"keys":[]}', '{"keys":[{"kty":"oct","k":"AA"}]}']) {
      const rigs = await Rigs.of(
        jwtAuthnConfig([providerConfig('shop', [], { jwks })], {
          rules: [{ match: pathMatch({ kind: 'prefix', value: '/pay' }), requirement: of('shop') }],
        }),
      );
      const { downstream, logged } = rigs.request(bearer(issuer.token(claims)));
      expect(downstream.head!.status).toBe(401);
      expect(logged['details']).toBe("jwt_authn_access_denied{Jwks_doesn't_have_any_valid_public_key}");
      expect(rigs.request(get('/free')).cluster.streams.length).toBe(1);
    }
  });
});

describe('a token that comes again', () => {
  it('costs one signature check, is judged by the clock each time, and is forgotten when it has expired', async () => {
    const rigs = await usual();
    const token = issuer.token({ ...claims, exp: startSeconds + 10 });
    const hits = (): number => rigs.first.counter('http.test.jwt_authn.jwt_cache_hit');
    const misses = (): number => rigs.first.counter('http.test.jwt_authn.jwt_cache_miss');
    for (let i = 0; i < 3; i++) expect(rigs.request(bearer(token)).cluster.streams.length).toBe(1);
    expect([hits(), misses()]).toEqual([2, 1]);
    rigs.first.time.advance(60_000);
    expect(rigs.request(bearer(token)).cluster.streams.length).toBe(1);
    rigs.first.time.advance(20_000);
    expect(rigs.request(bearer(token)).logged['details']).toBe('jwt_authn_access_denied{Jwt_is_expired}');
    expect([hits(), misses()]).toEqual([4, 1]);
    rigs.request(bearer(token));
    expect([hits(), misses()]).toEqual([4, 2]);
    expect(rigs.first.counter('http.test.jwt_authn.allowed')).toBe(4);
    expect(rigs.first.counter('http.test.jwt_authn.denied')).toBe(2);
  });

  it('is looked for once, also where others than its own provider are asked first', async () => {
    const names = ['a', 'b', 'c'];
    const any = names.map(of);
    const rigs = await Rigs.of(
      jwtAuthnConfig(
        names.map((name) => providerConfig(name, [issuer])),
        {
          rules: [
            {
              match: anyPath,
              requirement: {
                kind: 'any',
                requirements: [...any, { kind: 'all', requirements: any }],
              },
            },
          ],
        },
      ),
    );
    const token = issuer.token({ ...claims, iss: 'https://c.example' });
    for (let i = 0; i < 3; i++) expect(rigs.request(bearer(token)).cluster.streams.length).toBe(1);
    expect(rigs.first.counter('http.test.jwt_authn.jwt_cache_hit')).toBe(2);
    expect(rigs.first.counter('http.test.jwt_authn.jwt_cache_miss')).toBe(1);
  });

  it('is not remembered when it is bad', async () => {
    const rigs = await usual();
    for (let i = 0; i < 2; i++) rigs.request(bearer(stranger.token(claims)));
    expect(rigs.first.counter('http.test.jwt_authn.jwt_cache_hit')).toBe(0);
  });

  it('is good for one provider only: another one judges it itself', async () => {
    const rigs = await Rigs.of(
      jwtAuthnConfig(
        [providerConfig('shop', [issuer], { issuer: '' }), providerConfig('other', [stranger], { issuer: '' })],
        {
          rules: [
            { match: pathMatch({ kind: 'prefix', value: '/pay' }), requirement: of('shop') },
            { match: anyPath, requirement: of('other') },
          ],
        },
      ),
    );
    const token = issuer.token(claims);
    expect(rigs.request(bearer(token)).cluster.streams.length).toBe(1);
    const elsewhere = bearer(token);
    elsewhere.path = '/other';
    expect(rigs.request(elsewhere).downstream.head!.status).toBe(401);
  });
});

describe('what a token says', () => {
  const provider = providerConfig('shop', [issuer], {
    payloadInMetadata: 'shop',
    headerInMetadata: 'shop-header',
    forwardPayloadHeader: 'x-payload',
    padForwardPayload: true,
    spaceDelimitedClaims: ['scope', 'sub-missing'],
    claimToHeaders: [
      { header: 'x-sub', claim: 'sub' },
      { header: 'x-city', claim: 'address.city' },
      { header: 'x-proto', claim: '__proto__.x' },
    ],
  });

  it('goes to the application in headers, as UTF-8, and to gates behind in metadata', async () => {
    const rigs = await Rigs.of(jwtAuthnConfig([provider]));
    const payload = { ...claims, sub: ' zoë ', scope: 'read  write', address: { city: 'Łódź' } };
    const { fields } = rigs.request(bearer(issuer.token(payload))).cluster.last.head!;
    const text = (name: string): string => Buffer.from(fields.get(name) ?? '', 'latin1').toString('utf8');
    expect(text('x-sub')).toBe('zoë');
    expect(text('x-city')).toBe('Łódź');
    expect(fields.has('x-proto')).toBe(false);
    expect(JSON.parse(Buffer.from(text('x-payload'), 'base64').toString())).toEqual(payload);
    expect(text('x-payload').length % 4).toBe(0);
    expect(rigs.metadata!.get('envoy.filters.http.jwt_authn')).toEqual({
      shop: { ...payload, scope: ['read', 'write'] },
      'shop-header': { alg: 'ES256', typ: 'JWT', kid: 'k1' },
    });
  });

  it('keeps bytes that only look like space at the end of UTF-8', async () => {
    const rigs = await Rigs.of(jwtAuthnConfig([provider]));
    const { fields } = rigs.request(bearer(issuer.token({ ...claims, sub: 'voilà' }))).cluster.last.head!;
    expect(Buffer.from(fields.get('x-sub')!, 'latin1').toString('utf8')).toBe('voilà');
  });

  it('cannot be spoofed: its headers are taken off whatever the rule says', async () => {
    const rigs = await Rigs.of(jwtAuthnConfig([provider], { rules: [], bypassCorsPreflight: true }));
    const spoofed = [
      ['X-Sub', 'mallory'],
      ['x-city', 'x'],
      ['x-payload', 'e30'],
      ['x-a', '1'],
    ] as const;
    const preflight = get('/', HeaderFields.of(...spoofed, ['origin', 'o'], ['access-control-request-method', 'GET']));
    preflight.method = 'OPTIONS';
    for (const head of [get('/', HeaderFields.of(...spoofed)), preflight]) {
      const { fields } = rigs.request(head).cluster.last.head!;
      expect(['x-sub', 'x-city', 'x-payload'].filter((name) => fields.has(name))).toEqual([]);
      expect(fields.get('x-a')).toBe('1');
    }
    expect(rigs.first.counter('http.test.jwt_authn.cors_preflight_bypassed')).toBe(1);
  });

  it.each(['a\nb', 'a\r\nx-evil: 1', 'a\0', '\u007f'])('with a control character is refused: %j', async (sub) => {
    const rigs = await Rigs.of(jwtAuthnConfig([provider]));
    const { downstream, logged } = rigs.request(bearer(issuer.token({ ...claims, sub })));
    expect(downstream.head!.status).toBe(401);
    expect(logged['details']).toBe('jwt_authn_access_denied{Jwt_has_a_claim_that_cannot_stand_in_a_header}');
  });
});

it('the answer names the policies of our control plane, a few of them, and nothing else of the configuration', async () => {
  const names = ['a/one#rule-0', 'a/one#rule-1', 'a/two#rule-0', 'a/three#rule-0', 'b/four#rule-0'];
  const rigs = await Rigs.of(
    jwtAuthnConfig(
      names.map((name) => providerConfig(name, [issuer], { issuer: `https://${name}` })),
      { rules: [{ match: anyPath, requirement: { kind: 'any', requirements: names.map(of) } }] },
    ),
  );
  expect(JSON.parse(rigs.request(get('/')).downstream.body)).toMatchObject({
    error: 'Jwt is missing.',
    rule: 'a/one, a/two, a/three and 1 more',
  });
});

it('tokens in the query are not written to the access log, wherever they are looked for', async () => {
  const rigs = await Rigs.of(jwtAuthnConfig([providerConfig('shop', [issuer], { fromParams: ['Ticket'] })]));
  const bad = stranger.token(claims);
  expect(rigs.first.request(get(`/pay?a=1&access_token=${bad}&Ticket=${bad}&TICKET=${bad}`)).logged['path']).toBe(
    '/pay?a=1&access_token=(hidden)&Ticket=(hidden)&TICKET=(hidden)',
  );
});

describe('a route', () => {
  const gates = (requirementName: string | null): ReadonlyMap<string, never> =>
    new Map([['envoy.filters.http.jwt_authn', { kind: 'jwt-authn', requirementName } as never]]);

  it('turns the filter off, asks for another requirement, or for one that is not there, which lets nobody pass', async () => {
    const rigs = await Rigs.of(
      jwtAuthnConfig([providerConfig('shop', [issuer])], { requirements: new Map([['shop only', of('shop')]]) }),
    );
    expect(rigs.request(get('/'), gates(null)).cluster.streams.length).toBe(1);
    const refused = rigs.request(get('/'), gates('shop only')).downstream;
    expect(refused.head!.status).toBe(401);
    expect(JSON.parse(refused.body)).toMatchObject({ rule: 'shop' });
    const { downstream, logged } = rigs.request(bearer(issuer.token(claims)), gates('nobody'));
    expect(downstream.head!.status).toBe(403);
    expect(logged['details']).toBe(
      'jwt_authn_access_denied{Wrong_requirement_name:_nobody._It_should_be_one_of_[shop_only]}',
    );
  });
});

describe('requirements', () => {
  const shop = providerConfig('shop', [issuer], { claimToHeaders: [{ header: 'x-sub', claim: 'sub' }] });
  const partner = providerConfig('partner', [stranger], { fromHeaders: [{ name: 'x-partner', prefix: '' }] });
  const both = { ...claims, iss: 'https://partner.example' };

  it('of which all hold, or any; what a failed alternative found is forgotten', async () => {
    const all = { kind: 'all', requirements: [of('shop'), of('partner')] } as const;
    const rigs = await Rigs.of(
      jwtAuthnConfig([shop, partner], {
        rules: [{ match: anyPath, requirement: { kind: 'any', requirements: [all, of('partner')] } }],
      }),
    );
    const whole = rigs.request(bearer(issuer.token(claims), ['x-partner', stranger.token(both)]));
    expect(whole.cluster.last.head!.fields.get('x-sub')).toBe('alice');
    const onlyPartner = rigs.request(bearer(issuer.token({ ...claims, exp: 1 }), ['x-partner', stranger.token(both)]));
    expect(onlyPartner.cluster.last.head!.fields.has('x-sub')).toBe(false);
    expect(onlyPartner.cluster.last.head!.fields.has('authorization')).toBe(true);
    const { downstream } = rigs.request(bearer(issuer.token(claims)));
    expect(downstream.head!.status).toBe(401);
    expect(JSON.parse(downstream.body)).toMatchObject({ rule: 'shop, partner' });
  });

  it('refuses a request with more tokens than anyone needs', async () => {
    const rigs = await Rigs.of(jwtAuthnConfig([shop]));
    const token = issuer.token(claims);
    const many = get(
      '/',
      HeaderFields.of(...Array.from({ length: 17 }, () => ['authorization', `Bearer ${token}`] as const)),
    );
    expect(rigs.request(many).downstream.head!.status).toBe(401);
  });
});
