import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { issuingClock } from '../authority/issuing-clock.ts';
import { parseSpiffeId, serviceAccountId } from '../spiffe/spiffe-id.ts';
import { JoinTokens } from './join-tokens.ts';
import { LocalToken } from './local-token.ts';
import { narrowToken } from './narrowed-token.ts';

const orders = serviceAccountId('td', 'shop', 'orders');
const payments = serviceAccountId('td', 'shop', 'payments');
const keys = Array.from({ length: 5 }, (_, index) => Uint8Array.of(index));
let folder = '';
let nowMs = 0;
let tokens: JoinTokens;
const clock = issuingClock(() => nowMs);
beforeEach(() => {
  nowMs = Date.parse('2026-06-01T12:00:00Z');
  folder = mkdtempSync(join(tmpdir(), 'outrigger-join-'));
  tokens = new JoinTokens(folder, 'td', clock);
});
afterEach(() => rmSync(folder, { recursive: true }));

const refused = expect.objectContaining({ name: 'IdentityFault', reason: 'token-refused' });
const notAllowed = expect.objectContaining({ name: 'IdentityFault', reason: 'not-allowed' });

describe('JoinTokens', () => {
  it('gives the identity that the token is for, once', () => {
    const { token } = tokens.create({ identities: [orders] });
    expect(tokens.redeem(token, null, keys[0]!)).toEqual(orders);
    expect(() => tokens.redeem(token, null, keys[1]!)).toThrow('is used up');
  });

  it('gives so many uses, across restarts', () => {
    const { token, entry } = tokens.create({ identities: [orders], uses: 3 });
    for (const key of keys.slice(0, 3)) {
      tokens = new JoinTokens(folder, 'td', clock);
      expect(tokens.redeem(token, orders, key)).toEqual(orders);
    }
    expect(() => new JoinTokens(folder, 'td', clock).redeem(token, orders, keys[3]!)).toThrow(refused);
    expect(tokens.list()).toEqual([{ ...entry, usesLeft: 0 }]);
  });

  it('counts each node id that gets keys on streams as a use, once, across restarts', () => {
    const { token } = tokens.create({ identities: [orders], uses: 2 });
    tokens.holder(token).useFor('a');
    tokens = new JoinTokens(folder, 'td', clock);
    tokens.holder(token).useFor('a');
    expect(tokens.list()[0]!.usesLeft).toBe(1);
    tokens.holder(token).useFor('b');
    expect(() => tokens.holder(token).useFor('c')).toThrow(refused);
    expect(() => tokens.redeem(token, null, keys[0]!)).toThrow('is used up');
    tokens = new JoinTokens(folder, 'td', clock);
    expect(tokens.holder(token).fault()).toBe('');
    tokens.holder(token).useFor('b');
    expect(() => tokens.holder(token).useFor('c')).toThrow('not by a proxy with this node.id');
  });

  it('lets the same key ask again for ten minutes, as an answer can get lost', () => {
    const { token } = tokens.create({ identities: [orders] });
    tokens.redeem(token, null, keys[0]!);
    nowMs += 9 * 60_000;
    expect(tokens.redeem(token, null, keys[0]!)).toEqual(orders);
    nowMs += 60_000;
    expect(() => tokens.redeem(token, null, keys[0]!)).toThrow('is used up');
  });

  it('gives nothing but what it is for', () => {
    const { token } = tokens.create({ identities: [orders, payments], uses: 2 });
    expect(() => tokens.redeem(token, null, keys[0]!)).toThrow('for several identities');
    expect(() => tokens.redeem(token, serviceAccountId('td', 'shop', 'admin'), keys[0]!)).toThrow(notAllowed);
    expect(() => tokens.redeem(token, parseSpiffeId('spiffe://other/ns/shop/sa/orders'), keys[0]!)).toThrow(notAllowed);
    expect(tokens.redeem(token, payments, keys[0]!)).toEqual(payments);
    expect(tokens.list()[0]!.usesLeft).toBe(1);
  });

  it('ends: by time and when it is revoked', () => {
    const { token } = tokens.create({ identities: [orders], lifetimeMs: 60_000 });
    const { token: other, entry } = tokens.create({ identities: [orders] });
    nowMs += 60_000;
    expect(() => tokens.redeem(token, null, keys[0]!)).toThrow('expired at 2026-06-01T12:01:00.000Z');
    expect(tokens.list()).toHaveLength(1);
    expect(tokens.revoke(entry.id)).toBe(true);
    expect(tokens.revoke(entry.id)).toBe(false);
    expect(() => tokens.redeem(other, null, keys[0]!)).toThrow('is not known');
  });

  it('tells nothing to who does not know the secret, and uses nothing up', () => {
    const { token, entry } = tokens.create({ identities: [orders] });
    const wrong = token.slice(0, -1) + (token.endsWith('A') ? 'B' : 'A');
    for (const bad of [
      wrong,
      '',
      'ojt_',
      `${token} `,
      `${token}\n`,
      token.toUpperCase(),
      token.replace(entry.id, '0'.repeat(16)),
      '__proto__',
    ])
      expect(() => tokens.redeem(bad, null, keys[0]!)).toThrow('the join token is not known');
    expect(tokens.redeem(token, null, keys[0]!)).toEqual(orders);
  });

  it('is never on the disk, where a hash is', () => {
    const { token } = tokens.create({ identities: [orders] });
    const text = readFileSync(join(folder, 'join-tokens.json'), 'utf8');
    expect(text).not.toContain(token.slice(-43));
    expect(text).toContain(token.slice(4, 20));
  });

  it('speaks for its identities without being used up, until it is used up, revoked or expired', () => {
    const { token, entry } = tokens.create({ identities: [orders], uses: 2 });
    const holder = tokens.holder(token);
    expect([holder.speaksFor(orders), holder.speaksFor(payments), holder.fault()]).toEqual([true, false, '']);
    expect(tokens.list()).toEqual([entry]);
    tokens.redeem(token, null, keys[0]!);
    expect(holder.fault()).toBe('');
    tokens.redeem(token, null, keys[1]!);
    expect(holder.fault()).toContain('is used up');
    expect(() => tokens.holder(token)).toThrow(refused);
    const other = tokens.create({ identities: [orders] });
    const second = tokens.holder(other.token);
    nowMs += 60 * 60_000;
    expect(second.fault()).toContain('expired at');
    expect(() => tokens.holder(other.token)).toThrow('expired at');
    tokens.revoke(other.entry.id);
    expect(second.fault()).toContain('was revoked');
    expect(() => tokens.holder('x')).toThrow('is not known');
  });

  it('of the control plane itself is for every service account of the trust domain, as long as it runs, and never on the disk', () => {
    const { text, token } = LocalToken.make(clock);
    const withLocal = new JoinTokens(folder, 'td', clock, token);
    for (const key of keys) expect(withLocal.redeem(text, payments, key)).toEqual(payments);
    expect(() => withLocal.redeem(text, null, keys[0]!)).toThrow('say which');
    for (const other of [
      'spiffe://td/ns/outrigger/sa/control-plane',
      'spiffe://td/db',
      'spiffe://other/ns/shop/sa/orders',
      'spiffe://td',
    ])
      expect(() => withLocal.redeem(text, parseSpiffeId(other), keys[0]!)).toThrow(notAllowed);
    const holder = withLocal.holder(text);
    expect([holder.speaksFor(orders), holder.speaksFor(parseSpiffeId('spiffe://td/db')), holder.fault()]).toEqual([
      true,
      false,
      '',
    ]);
    expect(() =>
      new JoinTokens(folder, 'td', clock, LocalToken.make(clock).token).redeem(text, orders, keys[0]!),
    ).toThrow(refused);
    expect(() => withLocal.redeem(`${text.slice(0, -1)}~`, orders, keys[0]!)).toThrow(refused);
    withLocal.create({ identities: [orders] });
    expect(readFileSync(join(folder, 'join-tokens.json'), 'utf8')).not.toContain(token.id);
  });

  describe('of the local token made narrow', () => {
    const { text, token } = LocalToken.make(issuingClock(() => 0));
    let local: JoinTokens;
    const narrowed = (identity: string, expiresAtMs = nowMs + 60_000): string =>
      narrowToken(text, { identity, expiresAtMs });
    beforeEach(() => {
      local = new JoinTokens(folder, 'td', clock, token);
    });

    it('is for one service account, as often as wanted, and never for another', () => {
      const shown = narrowed(orders.text);
      for (const key of keys) expect(local.redeem(shown, orders, key)).toEqual(orders);
      expect(local.redeem(shown, null, keys[0]!)).toEqual(orders);
      expect(() => local.redeem(shown, payments, keys[0]!)).toThrow(notAllowed);
      const holder = local.holder(shown);
      expect([holder.speaksFor(orders), holder.speaksFor(payments), holder.fault()]).toEqual([true, false, '']);
    });

    it('ends by time, also as a stream’s', () => {
      const shown = narrowed(orders.text);
      const holder = local.holder(shown);
      nowMs += 60_000;
      expect(() => local.redeem(shown, orders, keys[0]!)).toThrow('expired at 2026-06-01T12:01:00.000Z');
      expect(() => local.holder(shown)).toThrow(refused);
      expect(holder.fault()).toContain('expired');
    });

    it('is no local token: not for the admin port, and nothing wider can be made of it', () => {
      const shown = narrowed(orders.text);
      expect(token.matches(shown)).toBe(false);
      expect(() => narrowToken(shown, { identity: payments.text, expiresAtMs: nowMs })).toThrow('no local token');
    });

    it('is not taken when anything in it was changed, or another control plane made it', () => {
      const shown = narrowed(orders.text);
      const [id = '', identity = '', code = ''] = shown.split('.');
      const other = Buffer.from(payments.text).toString('base64url');
      const forged = [
        `${id}.${other}.${code}`,
        `${id.slice(0, -1)}${id.endsWith('9') ? '8' : '9'}.${identity}.${code}`,
        `${id}.${identity}.${'A'.repeat(43)}`,
        `${id}.${identity}`,
        `${shown}.`,
        narrowToken(LocalToken.make(clock).text, { identity: orders.text, expiresAtMs: nowMs + 60_000 }),
      ];
      for (const bad of forged) expect(() => local.redeem(bad, null, keys[0]!)).toThrow('is not known');
      expect(() => tokens.redeem(shown, orders, keys[0]!)).toThrow(refused);
    });

    it.each(['spiffe://td/ns/outrigger/sa/control-plane', 'spiffe://td/db', 'spiffe://other/ns/shop/sa/orders'])(
      'is worth nothing for %s, as the local token is not',
      (identity) => {
        expect(() => local.redeem(narrowed(identity), null, keys[0]!)).toThrow(notAllowed);
        expect(() => local.holder(narrowed(identity))).toThrow(notAllowed);
      },
    );
  });

  it.each([
    [{ identities: [] }],
    [{ identities: [parseSpiffeId('spiffe://other/x')] }],
    [{ identities: [parseSpiffeId('spiffe://td')] }],
    [{ identities: [parseSpiffeId('spiffe://td/ns/outrigger/sa/control-plane')] }],
    [{ identities: [orders], uses: 0 }],
    [{ identities: [orders], uses: 1.5 }],
    [{ identities: [orders], lifetimeMs: 59_000 }],
    [{ identities: [orders], lifetimeMs: Number.NaN }],
  ])('is not made from options that make no sense: %j', (options) => {
    expect(() => tokens.create(options)).toThrow(notAllowed);
  });

  it('writes no file that the next start would refuse: new tokens take half of it, their uses the rest, and what is refused changes nothing', () => {
    const limited = (): JoinTokens => new JoinTokens(folder, 'td', clock, null, 2_000);
    tokens = limited();
    const identities = Array.from({ length: 12 }, (_, index) => serviceAccountId('td', 'shop', `orders-${index}`));
    const first = tokens.create({ identities, uses: 100 });
    expect(() => tokens.create({ identities, uses: 100 })).toThrow(notAllowed);
    expect(() => tokens.create({ identities })).toThrow('the file of the join tokens is full (2 tokens');
    let used = 0;
    const use = (): void => {
      for (; ; used++) tokens.holder(first.token).useFor(`node-${used}`);
    };
    expect(use).toThrow(expect.objectContaining({ name: 'IdentityFault', reason: 'exhausted' }));
    expect(used).toBeGreaterThan(10);
    tokens = limited();
    expect(tokens.list()).toEqual([{ ...first.entry, usesLeft: 100 - used }]);
    expect(tokens.revoke(first.entry.id)).toBe(true);
    tokens.create({ identities });
  });

  it('leaves out expired tokens at each use of another', () => {
    tokens.create({ identities: [payments], lifetimeMs: 60_000 });
    const { token } = tokens.create({ identities: [orders] });
    nowMs += 60_000;
    tokens.redeem(token, null, keys[0]!);
    expect(readFileSync(join(folder, 'join-tokens.json'), 'utf8')).not.toContain('payments');
  });

  it('does not start on a file that others may read, or that is damaged', () => {
    tokens.create({ identities: [orders] });
    const path = join(folder, 'join-tokens.json');
    chmodSync(path, 0o644);
    expect(() => new JoinTokens(folder, 'td', clock)).toThrow('open to other users');
    chmodSync(path, 0o600);
    for (const text of ['[', '{}', '[{"id":"x"}]', '[null]']) {
      writeFileSync(path, text);
      expect(() => new JoinTokens(folder, 'td', clock)).toThrow('is damaged');
    }
  });
});
