import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseJwt } from './jwt.ts';
import { jwtFault } from './jwt-fault.ts';
import { base64url } from './test/token-issuer.ts';

const part = (value: unknown): string => base64url(typeof value === 'string' ? value : JSON.stringify(value));
const token = (header: unknown, payload: unknown, signature = 'c2ln'): string =>
  `${part(header)}.${part(payload)}.${signature}`;
const es256 = { alg: 'ES256' };

test('takes a token apart (RFC 7515 7.1, RFC 7519 4.1)', () => {
  const claims = { iss: 'i', sub: 's', aud: ['a', 'b'], exp: 20, nbf: 10, iat: 1, jti: 'j', extra: { deep: [1] } };
  const text = token({ alg: 'ES256', kid: 'k', typ: 'JWT' }, claims);
  expect(parseJwt(text)).toEqual({
    header: { alg: 'ES256', kid: 'k', typ: 'JWT' },
    payload: claims,
    payloadText: part(claims),
    algorithm: 'ES256',
    keyId: 'k',
    issuer: 'i',
    subject: 's',
    audiences: ['a', 'b'],
    notBefore: 10,
    expires: 20,
    signed: text.slice(0, text.lastIndexOf('.')),
    signature: Buffer.from('sig'),
  });
  expect(parseJwt(token(es256, {}))).toMatchObject({
    keyId: '',
    issuer: '',
    audiences: [],
    notBefore: null,
    expires: null,
  });
});

test('never throws, whatever the text', () => {
  const anyPart = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.jsonValue().map((value) => part(value)),
    fc.uint8Array().map((bytes) => Buffer.from(bytes).toString('base64url')),
    fc.constantFrom(part(es256), '', '.', '=', 'e30'),
  );
  fc.assert(
    fc.property(fc.array(anyPart, { maxLength: 5 }), (parts) => {
      const result = parseJwt(parts.join('.'));
      if (typeof result !== 'string') expect(result.algorithm).toBe('ES256');
    }),
    { numRuns: 2000 },
  );
});

test('two spellings are never the same token: padding, other alphabets, stray bits', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 1, maxLength: 8 }),
      fc.nat(),
      fc.string({ minLength: 1, maxLength: 1 }),
      (bytes, at, other) => {
        const right = Buffer.from(bytes).toString('base64url');
        const place = at % right.length;
        const changed = right.slice(0, place) + other + right.slice(place + 1);
        const result = parseJwt(token(es256, {}, changed));
        if (typeof result === 'string') expect([jwtFault.signatureBase64, jwtFault.badFormat]).toContain(result);
        else expect(result.signature.toString('base64url')).toBe(changed);
      },
    ),
  );
  for (const spelt of ['YQ==', 'YR', 'a+/a', 'Y', 'YQ\n', ' YQ'])
    expect(parseJwt(token(es256, {}, spelt))).toBe(jwtFault.signatureBase64);
});

test.each([
  ['', jwtFault.badFormat],
  ['..', jwtFault.badFormat],
  ['a.b', jwtFault.badFormat],
  [`${token(es256, {})}.`, jwtFault.badFormat],
  [`${token(es256, {})}.a`, jwtFault.badFormat],
  [`.${part({})}.a`, jwtFault.badFormat],
  ['!.e30.a', jwtFault.headerBase64],
  [token('nothing', {}), jwtFault.headerJson],
  [token([], {}), jwtFault.headerJson],
  [token('{"alg":"ES256","alg":"none"}', {}), jwtFault.headerJson],
  [token({}, {}), jwtFault.badAlgorithm],
  [token({ alg: 1 }, {}), jwtFault.badAlgorithm],
  [token({ alg: 'none' }, {}), jwtFault.unsupportedAlgorithm],
  [token({ alg: 'None' }, {}), jwtFault.unsupportedAlgorithm],
  [token({ alg: 'HS256' }, {}), jwtFault.unsupportedAlgorithm],
  [token({ alg: 'constructor' }, {}), jwtFault.unsupportedAlgorithm],
  [token({ alg: 'ES256', kid: 1 }, {}), jwtFault.badKeyId],
  [token({ alg: 'ES256', crit: ['exp'] }, {}), jwtFault.critical],
  [token({ alg: 'ES256', crit: null }, {}), jwtFault.critical],
  [token({ alg: 'ES256', b64: false }, {}), jwtFault.critical],
  [`${part(es256)}.!.a`, jwtFault.payloadBase64],
  [token(es256, 'nothing'), jwtFault.payloadJson],
  [token({ alg: 'ES256', cty: 'JWT' }, token(es256, {})), jwtFault.payloadJson],
  [token(es256, '{"sub":"a","sub":"b"}'), jwtFault.payloadJson],
  [token(es256, { iss: 1 }), jwtFault.badIssuer],
  [token(es256, { sub: null }), jwtFault.badSubject],
  [token(es256, { jti: {} }), jwtFault.badId],
  [token(es256, { aud: 1 }), jwtFault.badAudience],
  [token(es256, { aud: ['a', 1] }), jwtFault.badAudience],
  [token(es256, { exp: '1' }), 'Jwt payload [exp] field is not an integer'],
  [token(es256, { exp: null }), 'Jwt payload [exp] field is not an integer'],
  [token(es256, { nbf: -1 }), 'Jwt payload [nbf] field is not a positive 64 bit integer'],
  [token(es256, '{"exp":1e999}'), 'Jwt payload [exp] field is not a positive 64 bit integer'],
  [token(es256, { iat: 2 ** 64 }), 'Jwt payload [iat] field is not a positive 64 bit integer'],
  [token(es256, {}, '!'), jwtFault.signatureBase64],
  [token(es256, { pad: 'a'.repeat(64 * 1024) }), jwtFault.tooLong],
])('%#: %.60s is refused: %s', (text, fault) => {
  expect(parseJwt(text)).toBe(fault);
});
