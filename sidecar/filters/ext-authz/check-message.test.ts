import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HeaderFields } from '../../codec/header-fields.ts';
import { connectionInfo, get } from '../../connection-manager/test/stream-rig.ts';
import { CheckRequestSchema, CheckResponseSchema } from '../../xds/api/envoy/service/auth/v3/external_auth_pb.js';
import type { GateRequest } from '../request-gate.ts';
import { type Authorization, isFraming } from './authorization.ts';
import { decodeCheck, encodeCheck } from './check-message.ts';
import { extAuthzConfig } from './test/ext-authz-configs.ts';
import { ToldHeaders } from './told-headers.ts';

type Init = Parameters<typeof create<typeof CheckResponseSchema>>[1];

const decode = (response: Init): Authorization =>
  decodeCheck(toBinary(CheckResponseSchema, create(CheckResponseSchema, response)));
const header = (key: string, value: string): object => ({ header: { key, value } });
const ok = (value: object): Authorization => decode({ httpResponse: { case: 'okResponse', value } } as Init);

describe('what a service answers', () => {
  it('never throws, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        decodeCheck(bytes);
      }),
      { numRuns: 2000 },
    );
  });

  it('never throws and never lets through what cannot stand in a message, whatever the answer', () => {
    const headers = fc.array(
      fc.record({
        header: fc.record({
          key: fc.oneof(fc.string(), fc.constantFrom(':path', 'host', 'Content-Length', 'x-a', 'TE')),
          value: fc.oneof(fc.string({ unit: 'grapheme' }), fc.constantFrom('a\r\nb', '\0', 'é')),
        }),
        append: fc.option(fc.boolean(), { nil: undefined }),
        appendAction: fc.constantFrom(0, 1, 2, 3, 9),
      }),
    );
    const answer = fc.oneof(
      fc
        .record({ headers, headersToRemove: fc.array(fc.string()), responseHeadersToAdd: headers })
        .map((value) => ({ httpResponse: { case: 'okResponse', value } }) as unknown as Init),
      fc.record({ headers, body: fc.string(), code: fc.integer() }).map(
        ({ headers: all, body, code }) =>
          ({
            status: { code: 7 },
            httpResponse: { case: 'deniedResponse', value: { headers: all, body, status: { code } } },
          }) as unknown as Init,
      ),
    );
    fc.assert(
      fc.property(answer, (init) => {
        const decoded = decode(init);
        const changes =
          decoded.kind === 'ok'
            ? [...decoded.request, ...decoded.response]
            : decoded.kind === 'denied'
              ? decoded.fields
              : [];
        for (const { name, value } of changes) {
          expect(isFraming(name.lower)).toBe(false);
          expect(name.raw).toMatch(/^[!#$%&'*+.^_`|~0-9a-z-]+$/);
          expect(value).toMatch(/^[\t\x20-\x7e\x80-\xff]*$/);
        }
        if (decoded.kind === 'ok') for (const name of decoded.removed) expect(isFraming(name)).toBe(false);
      }),
      { numRuns: 1000 },
    );
  });

  it('is no answer when it is no CheckResponse', () => {
    expect(decodeCheck(Buffer.from('garbage'))).toMatchObject({ kind: 'error' });
  });

  it('without anything is an OK; with a status it is a denial', () => {
    expect(decode({})).toMatchObject({ kind: 'ok', request: [], metadata: null });
    expect(decode({ status: { code: 7 } })).toMatchObject({ kind: 'denied', status: 0, fields: [] });
    expect(
      decode({
        status: { code: 16 },
        httpResponse: { case: 'okResponse', value: { headers: [header('x-a', '1')] } },
      } as Init),
    ).toMatchObject({ kind: 'denied', fields: [] });
  });

  it.each([
    ':path',
    ':authority',
    'host',
    'Host',
    'content-length',
    'transfer-encoding',
    'connection',
    'upgrade',
    'te',
  ])('may not set %s', (name) => {
    expect(ok({ headers: [header(name, 'x')] })).toMatchObject({ kind: 'invalid' });
    expect(ok({ responseHeadersToAdd: [header(name, 'x')] })).toMatchObject({ kind: 'invalid' });
  });

  it('may not remove what frames and addresses the request: that is passed over (Envoy)', () => {
    expect(ok({ headersToRemove: ['Host', ':path', 'X-A', 'content-length'] })).toMatchObject({ removed: ['x-a'] });
  });

  it('changes headers as its options say', () => {
    const options = [
      {},
      { append: true },
      { append: false },
      { appendAction: 1 },
      { appendAction: 2 },
      { appendAction: 3 },
    ];
    const headers = options.map((option) => ({ ...header('X-A', 'ü'), ...option }));
    const decoded = ok({ headers, responseHeadersToAdd: headers });
    if (decoded.kind !== 'ok') throw new Error(decoded.kind);
    expect(decoded.request.map(({ action }) => action)).toEqual([
      'overwrite',
      'join',
      'overwrite',
      'add-if-absent',
      'overwrite',
      'overwrite-if-exists',
    ]);
    expect(decoded.response[0]!.action).toBe('append');
    expect(decoded.request[0]).toMatchObject({ name: { lower: 'x-a' }, value: Buffer.from('ü').toString('latin1') });
  });

  it('is bounded in how much it changes', () => {
    expect(ok({ headersToRemove: Array.from({ length: 201 }, (_, i) => `x-${i}`) })).toMatchObject({ kind: 'invalid' });
  });

  it('brings metadata, the older place first', () => {
    expect(decode({ dynamicMetadata: { a: 1 } })).toMatchObject({ metadata: { a: 1 } });
    expect(
      decode({
        dynamicMetadata: { a: 1 },
        httpResponse: { case: 'okResponse', value: { dynamicMetadata: { b: 2 } } },
      } as Init),
    ).toMatchObject({ metadata: { b: 2 } });
  });
});

describe('what a service is asked', () => {
  const head = get(
    '/pay?a=b',
    HeaderFields.of(
      ['X-Many', 'a'],
      ['x-many', 'b'],
      ['cookie', 'a=1'],
      ['cookie', 'b=2'],
      ['x-envoy-downstream-service-cluster', 'admin'],
      ['x-bytes', 'caf\xe9 \xc3\xa9'],
    ),
  );
  const request: GateRequest = {
    head,
    connection: {
      ...connectionInfo,
      secure: true,
      serverName: 'orders.shop',
      peerService: 'shop/web',
      localUri: 'spiffe://cluster.local/ns/shop/sa/orders',
      localAddress: '[::1]:15006',
      peer: { uris: ['spiffe://cluster.local/ns/shop/sa/web'], dnsNames: [], subject: 'CN=web', sha256: '' },
    },
    grpc: false,
    requestId: 'id-1',
    route: null,
    startMs: 0,
    nowMs: 0,
    metadata: new Map<string, unknown>([
      ['envoy.filters.http.jwt_authn', { shop: { sub: 'alice', roles: ['a'] } }],
      ['other', { a: 1 }],
    ]),
    policy: '',
    dryRunDeniedBy: '',
    decidedBy: '',
    changeResponse: () => {},
    targetCluster: null,
    delayed: false,
    priority: 'default',
    decider: () => () => undefined,
    watchEnd: () => undefined,
    shapeResponse: () => undefined,
  };
  const asked = (config = extAuthzConfig(), of = request): unknown => {
    const bytes = encodeCheck(
      { request: of, contextExtensions: new Map([['a', 'b']]) },
      config,
      new ToldHeaders(config),
      1.5,
    );
    return bytes === null ? null : fromBinary(CheckRequestSchema, bytes).attributes;
  };

  it('holds who calls whom, and the request with its headers joined', () => {
    expect(asked()).toMatchObject({
      // By the certificate; not what the caller says of itself.
      source: {
        service: 'shop/web',
        principal: 'spiffe://cluster.local/ns/shop/sa/web',
        address: { address: { value: { address: '10.1.2.3', portSpecifier: { value: 4567 } } } },
      },
      destination: {
        principal: 'spiffe://cluster.local/ns/shop/sa/orders',
        address: { address: { value: { address: '::1', portSpecifier: { value: 15006 } } } },
      },
      contextExtensions: { a: 'b' },
      request: {
        http: {
          id: 'id-1',
          method: 'GET',
          path: '/pay?a=b',
          host: 'orders.shop',
          scheme: 'http',
          protocol: 'HTTP/1.1',
          size: -1n,
          headers: {
            ':authority': 'orders.shop',
            ':method': 'GET',
            ':path': '/pay?a=b',
            ':scheme': 'http',
            'x-many': 'a,b',
            cookie: 'a=1; b=2',
            'x-bytes': 'caf! é',
          },
        },
      },
    });
  });

  it('holds the metadata of the namespaces that are named, and the server name when it is wanted', () => {
    const config = extAuthzConfig({
      metadataNamespaces: ['envoy.filters.http.jwt_authn', 'none'],
      includeTlsSession: true,
    });
    expect(asked(config)).toMatchObject({
      metadataContext: { filterMetadata: { 'envoy.filters.http.jwt_authn': { shop: { sub: 'alice', roles: ['a'] } } } },
      tlsSession: { sni: 'orders.shop' },
    });
  });

  it('holds only the headers that are allowed', () => {
    const exact = (value: string) => ({ kind: 'exact', value, ignoreCase: false }) as const;
    const config = extAuthzConfig({
      allowedHeaders: [exact('x-many'), exact('cookie')],
      disallowedHeaders: [exact('cookie')],
    });
    expect(asked(config)).toMatchObject({ request: { http: { headers: { 'x-many': 'a,b' } } } });
    expect(Object.keys((asked(config) as { request: { http: { headers: object } } }).request.http.headers)).toEqual([
      'x-many',
    ]);
  });

  it('cannot be told what protobuf cannot hold, and says so', () => {
    const config = extAuthzConfig({ metadataNamespaces: ['odd'] });
    const endless: Record<string, unknown> = {};
    endless['itself'] = endless;
    expect(asked(config, { ...request, metadata: new Map([['odd', endless]]) })).toBeNull();
  });
});
