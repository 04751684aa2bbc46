import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseSpiffeId, serviceAccountId, serviceAccountOf, trustDomainFault, trustDomainId } from './spiffe-id.ts';

describe('SPIFFE ID (SPIFFE-ID standard, section 2)', () => {
  it.each([
    ['spiffe://example.org', 'example.org', ''],
    ['spiffe://td/ns/shop/sa/orders', 'td', '/ns/shop/sa/orders'],
    ['spiffe://1.2.3.4/x', '1.2.3.4', '/x'],
    ['spiffe://a_b-c.d/A..b/_/-/...', 'a_b-c.d', '/A..b/_/-/...'],
  ])('takes %s', (text, trustDomain, path) => {
    expect(parseSpiffeId(text)).toEqual({ text, trustDomain, path });
  });

  it.each([
    ['', 'does not start'],
    ['http://td/x', 'does not start'],
    ['SPIFFE://td/x', 'does not start'],
    ['spiffe:/td/x', 'does not start'],
    [' spiffe://td/x', 'does not start'],
    ['spiffe://', 'trust domain is empty'],
    ['spiffe:///x', 'trust domain is empty'],
    ['spiffe://TD/x', 'trust domain has characters'],
    ['spiffe://td:443/x', 'trust domain has characters'],
    ['spiffe://user@td/x', 'trust domain has characters'],
    ['spiffe://t%64/x', 'trust domain has characters'],
    ['spiffe://td?q', 'trust domain has characters'],
    ['spiffe://td#f', 'trust domain has characters'],
    ['spiffe://td\0/x', 'trust domain has characters'],
    ['spiffe://td\n', 'trust domain has characters'],
    ['spiffe://dömain/x', 'trust domain has characters'],
    ['spiffe://[::1]/x', 'trust domain has characters'],
    ['spiffe://td/', 'empty segment'],
    ['spiffe://td//x', 'empty segment'],
    ['spiffe://td/x/', 'empty segment'],
    ['spiffe://td/./x', 'segment of dots'],
    ['spiffe://td/x/..', 'segment of dots'],
    ['spiffe://td/x?q=1', 'path has characters'],
    ['spiffe://td/x#f', 'path has characters'],
    ['spiffe://td/x%2Fy', 'path has characters'],
    ['spiffe://td/x y', 'path has characters'],
    ['spiffe://td/x\0', 'path has characters'],
    ['spiffe://td/x\\y', 'path has characters'],
    ['spiffe://td/x\n', 'path has characters'],
    ['spiffe://td/é', 'path has characters'],
    ['spiffe://td/x:y', 'path has characters'],
  ])('refuses %j: %s', (text, why) => {
    expect(() => parseSpiffeId(text)).toThrow(why);
  });

  it('takes 2048 bytes and a trust domain of 255, and not one more (2.3)', () => {
    const start = 'spiffe://td/';
    expect(parseSpiffeId(start + 'x'.repeat(2048 - start.length)).text).toHaveLength(2048);
    expect(() => parseSpiffeId(start + 'x'.repeat(2049 - start.length))).toThrow('longer than 2048 bytes');
    expect(trustDomainFault('x'.repeat(255))).toBe('');
    expect(trustDomainFault('x'.repeat(256))).toContain('longer than 255 bytes');
  });

  it('writes namespace and service account, and reads them back', () => {
    const id = serviceAccountId('cluster.local', 'shop', 'orders');
    expect(id.text).toBe('spiffe://cluster.local/ns/shop/sa/orders');
    expect(serviceAccountOf(id)).toEqual({ namespace: 'shop', serviceAccount: 'orders' });
  });

  it.each([
    ['shop/sa/admin', 'x'],
    ['shop', 'x/y'],
    ['', 'x'],
    ['shop', ''],
    ['..', 'x'],
    ['shop', 'a b'],
  ])('a namespace %j or service account %j cannot shift the path', (namespace, serviceAccount) => {
    expect(() => serviceAccountId('td', namespace, serviceAccount)).toThrow(/no SPIFFE ID|have no slash/);
  });

  it.each([
    'spiffe://td',
    'spiffe://td/ns/a/sa',
    'spiffe://td/ns/a/sa/b/c',
    'spiffe://td/sa/a/ns/b',
    'spiffe://td/NS/a/sa/b',
  ])('%s names no service account', (text) => {
    expect(serviceAccountOf(parseSpiffeId(text))).toBeNull();
  });

  it('an ID that is taken is a URL that parses to the same parts, and is never changed', () => {
    const segment = fc.string({ unit: fc.constantFrom(...'abzAZ09._-%/?#@: '), minLength: 0, maxLength: 6 });
    fc.assert(
      fc.property(segment, fc.array(segment, { maxLength: 4 }), (domain, segments) => {
        const text = `spiffe://${[domain, ...segments].join('/')}`;
        let id: ReturnType<typeof parseSpiffeId>;
        try {
          id = parseSpiffeId(text);
        } catch {
          return;
        }
        expect(id.text).toBe(text);
        const url = new URL(text);
        expect([url.hostname, url.pathname, url.search, url.hash, url.port]).toEqual([
          id.trustDomain,
          id.path,
          '',
          '',
          '',
        ]);
      }),
    );
  });

  it('shows what was refused with control characters escaped', () => {
    expect(() => parseSpiffeId('spiffe://td/\u001b[31m\u009b')).toThrow(/\\u001b\[31m\?/);
    expect(() => trustDomainId('A')).toThrow('is no trust domain');
  });
});
