import { describe, expect, it } from 'vitest';
import { nsswitchWithDns, userWords } from './inside.ts';

describe('nsswitchWithDns', () => {
  it.each([
    ['hosts: files dns', 'hosts: files dns'],
    ['passwd: files\nhosts: files resolve [!UNAVAIL=return] dns\n', 'passwd: files\nhosts: files dns\n'],
    ['hosts: mymachines resolve [!UNAVAIL=return] files myhostname dns', 'hosts: mymachines files myhostname dns'],
    ['hosts: files resolve', 'hosts: files dns'],
  ])('%j', (before, after) => {
    expect(nsswitchWithDns(before)).toBe(after);
  });
});

describe('userWords', () => {
  it('leaves root as it is, and takes groups from the machine where it knows the user', () => {
    expect(userWords({ uid: 0, gid: 0, name: 'root', home: '/root' })).toEqual([]);
    expect(userWords({ uid: 1000, gid: 100, name: 'app', home: '/' })).toContain('--init-groups');
    expect(userWords({ uid: 4000, gid: 4000, name: '', home: '/' })).toContain('--clear-groups');
  });
});
