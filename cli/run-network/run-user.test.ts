import { describe, expect, it } from 'vitest';
import { runUser, userEnvironment } from './run-user.ts';

const passwd =
  'root:x:0:0:root:/root:/bin/sh\napp:x:1000:100:An App:/home/app:/bin/sh\nside:x:60514:60514::/:/bin/sh\n';
const user = (text: string | undefined, environment: NodeJS.ProcessEnv = {}) => runUser(text, environment, passwd);

describe('whom the command runs as', () => {
  it.each([
    [undefined, { uid: 0, gid: 0, name: 'root', home: '/root' }],
    ['app', { uid: 1000, gid: 100, name: 'app', home: '/home/app' }],
    ['1000', { uid: 1000, gid: 100, name: 'app', home: '/home/app' }],
    ['app:5', { uid: 1000, gid: 5, name: 'app', home: '/home/app' }],
    ['4000', { uid: 4000, gid: 4000, name: '', home: '/' }],
  ])('%s', (text, expected) => {
    expect(user(text)).toEqual(expected);
  });

  it('is who called sudo, unless somebody is named', () => {
    expect(user(undefined, { SUDO_UID: '1000' }).name).toBe('app');
    expect(user('root', { SUDO_UID: '1000' }).uid).toBe(0);
  });

  it.each([
    ['nobody-here', 'this machine has no user "nobody-here"'],
    ['', 'this machine has no user ""'],
    ['app:wheel', '"wheel" is not the number of a group'],
    ['60514', '60514 is one of those that sidecars run as'],
    ['app:61183', '61183 is one of those that sidecars run as'],
  ])('is not %s', (text, why) => {
    expect(() => user(text)).toThrow(why);
  });

  it('has what programs take for it in the environment', () => {
    expect(userEnvironment(user('app'))).toEqual({ HOME: '/home/app', USER: 'app', LOGNAME: 'app' });
    expect(userEnvironment(user('root'))).toEqual({});
  });
});
