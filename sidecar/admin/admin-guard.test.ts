/** Who may change what on the admin port: by peer, Host, what browsers say of a page, and the token. */
import { describe, expect, test } from 'vitest';
import { HeaderFields } from '../codec/header-fields.ts';
import { RequestHead } from '../codec/message-head.ts';
import { adminRefusal } from './admin-guard.ts';

interface Asked {
  readonly method?: string;
  readonly host?: string;
  readonly peer?: string;
  readonly fields?: ReadonlyArray<readonly [string, string]>;
  readonly token?: string;
}

function refusal({ method = 'POST', host = '127.0.0.1:15000', peer = '127.0.0.1', fields = [], token = '' }: Asked) {
  const head = new RequestHead(method, 'http', host, '/quitquitquit', '1.1', HeaderFields.of(...fields));
  return adminRefusal({ host: 'Admin.test', token }, head, peer);
}

describe('looking (GET, HEAD)', () => {
  test.each([
    '',
    'localhost',
    'LOCALHOST.:15000',
    '10.0.0.1',
    '10.0.0.1:80',
    '[::1]:15000',
    '[2001:db8::1]',
    'admin.test',
  ])('is for whoever calls the port by an address or its own name: %j', (host) => {
    for (const method of ['GET', 'HEAD']) expect(refusal({ method, host, peer: '10.9.9.9' })).toBeNull();
  });

  test.each(['evil.test', 'evil.test:15000', 'localhost.evil.test', '127.0.0.1.evil.test', '1.2.3', '[evil]'])(
    'is refused by a name that somebody made to point here (DNS rebinding): %j',
    (host) => {
      expect(refusal({ method: 'GET', host })).toContain('is not an address of the admin port');
      expect(refusal({ host })).toContain('is not an address of the admin port');
    },
  );
});

describe('changing (POST)', () => {
  test.each(['127.0.0.1:15000', '127.9.9.9', 'localhost:1', '[::1]:15000'])(
    'is for programs of this machine: Host %s',
    (host) => {
      for (const peer of ['127.0.0.1', '127.0.0.2', '::1', '::ffff:127.0.0.1'])
        expect(refusal({ host, peer })).toBeNull();
    },
  );

  test.each(['10.0.0.1', '::ffff:10.0.0.1', '2001:db8::1', ''])('is not for other machines (%j)', (peer) => {
    expect(refusal({ peer })).toContain('from this machine only');
  });

  test.each(['10.0.0.1:15000', '', 'admin.test'])('wants a Host of this machine, not %j', (host) => {
    expect(refusal({ host })).toContain('Host localhost');
  });

  test.each(['127.0.0.6', '::ffff:127.0.0.6', '::6'])(
    'is refused to %s: what the sidecar hands on for callers from elsewhere is not of this machine',
    (peer) => {
      expect(refusal({ peer })).toContain('changes are made from this machine only');
    },
  );

  test.each([
    ['Sec-Fetch-Site', 'cross-site'],
    ['Sec-Fetch-Site', 'same-site'],
    ['Sec-Fetch-Site', ''],
    ['Origin', 'http://evil.test'],
    ['Origin', 'null'],
    ['Origin', 'http://127.0.0.1.evil.test:15000'],
    ['Origin', 'http://localhost@evil.test'],
  ])('is refused to pages of other sites: %s: %s (CSRF)', (name, value) => {
    expect(refusal({ fields: [[name, value]] })).toContain('another site');
  });

  test.each([
    ['Sec-Fetch-Site', 'same-origin'],
    ['Sec-Fetch-Site', 'none'],
    ['Origin', 'http://127.0.0.1:15000'],
    ['Origin', 'http://localhost:15000'],
    ['Origin', 'http://[::1]:15000'],
  ])('is for its own pages: %s: %s', (name, value) => {
    expect(refusal({ fields: [[name, value]] })).toBeNull();
  });

  test('is for whoever shows the token, once, from anywhere', () => {
    const from = { peer: '10.0.0.1', host: '10.0.0.2:15000', token: 'secret' };
    const shows = (...values: readonly string[]) =>
      refusal({ ...from, fields: values.map((value) => ['authorization', value] as const) });
    expect(shows('Bearer secret')).toBeNull();
    expect(shows('bearer  secret')).toBeNull();
    for (const value of ['Bearer other', 'Bearer ', 'Basic secret', 'secret', 'Bearer secret x'])
      expect(shows(value)).toContain('authorization: Bearer');
    expect(shows('Bearer secret', 'Bearer secret')).not.toBeNull();
    expect(refusal({ ...from, token: '', fields: [['authorization', 'Bearer ']] })).not.toBeNull();
  });
});
