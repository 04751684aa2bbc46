import { expect, test } from 'vitest';
import type { VerifiedJwt } from './verified-jwt.ts';
import { VerifiedTokens } from './verified-tokens.ts';

const jwt = (subject: string): VerifiedJwt => ({
  issuer: '',
  subject,
  audiences: [],
  notBefore: null,
  expires: null,
  fields: [],
  metadata: [],
});

test('holds so many; the one that was not used for longest goes', () => {
  const tokens = new VerifiedTokens(2);
  tokens.add('a', 1, jwt('a'));
  tokens.add('b', 1, jwt('b'));
  expect(tokens.get('a')?.subject).toBe('a');
  tokens.add('c', 1, jwt('c'));
  expect(tokens.get('b')).toBeNull();
  expect(tokens.get('a')?.subject).toBe('a');
  expect(tokens.get('c')?.subject).toBe('c');
  expect(tokens.size).toBe(2);
});

test('the same token again takes one place', () => {
  const tokens = new VerifiedTokens(2);
  for (let i = 0; i < 5; i++) tokens.add('a', 1, jwt(String(i)));
  expect(tokens.size).toBe(1);
  expect(tokens.get('a')?.subject).toBe('4');
});

test('holds so many bytes of tokens, however few they are', () => {
  const tokens = new VerifiedTokens(100_000);
  for (let i = 0; i < 100; i++) tokens.add(String(i), 60 * 1024, jwt(String(i)));
  expect(tokens.size).toBe(68);
});

test('forgets what it is told to', () => {
  const tokens = new VerifiedTokens(2);
  tokens.add('a', 1, jwt('a'));
  tokens.delete('a');
  tokens.delete('never there');
  expect(tokens.get('a')).toBeNull();
  expect(tokens.size).toBe(0);
});
