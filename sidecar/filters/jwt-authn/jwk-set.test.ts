import { createPublicKey, createSign, generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { JwkSet } from './jwk-set.ts';
import { type Jwt, parseJwt } from './jwt.ts';
import { jwtFault } from './jwt-fault.ts';
import { signatureAlgorithms } from './signature-algorithm.ts';
import { base64url, jwks, TokenIssuer } from './test/token-issuer.ts';

const parsed = (token: string): Jwt => {
  const jwt = parseJwt(token);
  if (typeof jwt === 'string') throw new Error(jwt);
  return jwt;
};
const verify = (set: string, token: string): string | null => new JwkSet(set).verify(parsed(token));
const setOf = (...keys: readonly unknown[]): string => JSON.stringify({ keys });

const rsa = new TokenIssuer('RS256', 'rsa');
const ec = new TokenIssuer('ES256', 'ec');

test.each([...signatureAlgorithms.keys()])('%s: the right key, and no other of its kind', (algorithm) => {
  const issuer = new TokenIssuer(algorithm, 'k');
  const stranger = new TokenIssuer(algorithm, 'k');
  const token = issuer.token({ sub: 'a' });
  expect(verify(jwks(issuer), token)).toBeNull();
  expect(verify(jwks(stranger), token)).toBe(jwtFault.verificationFails);
  const [header, payload, signature] = token.split('.');
  const bytes = Buffer.from(signature!, 'base64url');
  const signedBy = (other: Buffer): string => `${header}.${payload}.${other.toString('base64url')}`;
  expect(verify(jwks(issuer), `${header}.${base64url('{"sub":"b"}')}.${signature}`)).toBe(jwtFault.verificationFails);
  expect(verify(jwks(issuer), signedBy(bytes.subarray(1)))).toBe(jwtFault.verificationFails);
  expect(verify(jwks(issuer), signedBy(Buffer.concat([bytes, Buffer.of(0)])))).toBe(jwtFault.verificationFails);
});

test('an RSA signature is as long as its key: one whose leading zero is gone is another token (RFC 8017 8.1.2, 8.2.2)', () => {
  for (const algorithm of ['RS256', 'PS256']) {
    const issuer = new TokenIssuer(algorithm, 'k');
    for (let i = 0; i < 5000; i++) {
      const [header, payload, signature] = issuer.token({ i }).split('.');
      const bytes = Buffer.from(signature!, 'base64url');
      if (bytes[0] !== 0) continue;
      expect(verify(jwks(issuer), `${header}.${payload}.${bytes.subarray(1).toString('base64url')}`)).toBe(
        jwtFault.verificationFails,
      );
      break;
    }
  }
});

test('the key’s kind decides, never the token: each algorithm fits one kind of key only', () => {
  for (const [algorithm, { keyKind }] of signatureAlgorithms) {
    const token = rsa.token({}, { alg: algorithm });
    const fault = verify(jwks(rsa), token);
    if (algorithm === 'RS256') expect(fault).toBeNull();
    else expect(fault).toBe(keyKind === 'RSA' ? jwtFault.verificationFails : jwtFault.noKeyMatches);
  }
});

test('a key that is for one algorithm is not used for another of its kind', () => {
  const forPss = { ...rsa.publicJwk, alg: 'PS256' };
  expect(verify(setOf(forPss), rsa.token({}))).toBe(jwtFault.noKeyMatches);
  expect(verify(setOf({ ...rsa.publicJwk, alg: 'RS256' }), rsa.token({}))).toBeNull();
});

test('the name picks the key; a key without a name is tried, and all are for a token without one', () => {
  const other = new TokenIssuer('RS256', 'other');
  expect(verify(jwks(other, rsa), rsa.token({}))).toBeNull();
  expect(verify(jwks(rsa), rsa.token({}, { kid: 'other' }))).toBe(jwtFault.noKeyMatches);
  expect(verify(jwks(other, rsa), rsa.token({}, { kid: undefined }))).toBeNull();
  const { kid: _kid, ...nameless } = rsa.publicJwk;
  expect(verify(setOf(nameless), rsa.token({}, { kid: 'anything' }))).toBeNull();
});

test('no more keys are tried for one token than a bound', () => {
  const many = Array.from({ length: 16 }, () => ec.publicJwk);
  const last = new TokenIssuer('ES256', 'last');
  expect(verify(setOf(...many, last.publicJwk), last.token({}, { kid: undefined }))).toBe(jwtFault.verificationFails);
  expect(verify(setOf(...many, last.publicJwk), last.token({}))).toBeNull();
});

test.each<[string, unknown]>([
  ['for encryption', { ...rsa.publicJwk, use: 'enc' }],
  ['with a use that is no text', { ...rsa.publicJwk, use: 1 }],
  ['only for signing', { ...rsa.publicJwk, key_ops: ['sign'] }],
  ['with a name that is no text', { ...rsa.publicJwk, kid: 1 }],
  ['for an algorithm of another kind', { ...rsa.publicJwk, alg: 'ES256' }],
  ['for HMAC', { ...rsa.publicJwk, alg: 'HS256' }],
  ['symmetric', { kty: 'oct', k: 'c2VjcmV0', kid: 'rsa' }],
  ['of a kind that nobody knows', { ...rsa.publicJwk, kty: 'rsa' }],
  ['on another curve', { ...ec.publicJwk, crv: 'secp256k1' }],
  ['off its curve', { ...ec.publicJwk, y: ec.publicJwk['x'] }],
  ['without a modulus', { kty: 'RSA', e: 'AQAB' }],
  ['too short', new TokenIssuer('RS256', 'rsa', 1024).publicJwk],
  ['null', null],
  ['a text', 'key'],
])('a key %s is left out', (_what, key) => {
  expect(new JwkSet(setOf(key)).size).toBe(0);
  expect(new JwkSet(setOf(key, rsa.publicJwk)).size).toBe(1);
});

test('of a private key only the public part is used', () => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const signed = `${base64url('{"alg":"ES256"}')}.${base64url('{}')}`;
  const signature = createSign('sha256').update(signed).sign({ key: privateKey, dsaEncoding: 'ieee-p1363' });
  const set = new JwkSet(setOf(privateKey.export({ format: 'jwk' })));
  expect(set.size).toBe(1);
  expect(set.verify(parsed(`${signed}.${signature.toString('base64url')}`))).toBeNull();
  expect(publicKey.type).toBe('public');
});

test('an ECDSA signature in DER is none (RFC 7518 3.4)', () => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const signed = `${base64url('{"alg":"ES256"}')}.${base64url('{}')}`;
  const der = createSign('sha256').update(signed).sign(privateKey);
  const set = new JwkSet(setOf(createPublicKey(privateKey).export({ format: 'jwk' })));
  expect(set.verify(parsed(`${signed}.${der.toString('base64url')}`))).toBe(jwtFault.verificationFails);
});

test('without a usable key no token is good, whatever the text', () => {
  for (const text of ['', 'null', '[]', '{}', '{"keys":{}}', '{"keys":[]}', '{"keys":[{}],"keys":[]}'])
    expect(verify(text, rsa.token({}))).toBe(jwtFault.noKeys);
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(fc.jsonValue()).map((keys) => setOf(...keys)),
      ),
      (text) => {
        expect(new JwkSet(text).verify(parsed(rsa.token({})))).toBe(jwtFault.noKeys);
      },
    ),
    { numRuns: 100 },
  );
});
