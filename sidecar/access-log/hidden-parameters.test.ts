import { expect, it } from 'vitest';
import { hideParameters } from './hidden-parameters.ts';

it.each([
  ['/a', '/a'],
  ['/access_token=x', '/access_token=x'],
  ['/a?b=1', '/a?b=1'],
  ['/a?access_token=x.y.z', '/a?access_token=(hidden)'],
  ['/a?b=1&access_token=x&access_token=y=z&c', '/a?b=1&access_token=(hidden)&access_token=(hidden)&c'],
  ['/a?access%5Ftoken=x', '/a?access%5Ftoken=(hidden)'],
  ['/a?%zz=1&access_token', '/a?%zz=1&access_token'],
  ['/a?Access_Token=x&ACCESS%5fTOKEN=y', '/a?Access_Token=(hidden)&ACCESS%5fTOKEN=(hidden)'],
  [
    '/a?user[access_token]=x&user%5Bname%5D=y&a[access_token][]=z',
    '/a?user[access_token]=(hidden)&user%5Bname%5D=y&a[access_token][]=z',
  ],
])('a token in the query of %s is not shown (RFC 6750 5.3)', (path, shown) => {
  expect(hideParameters(path, new Set(['access_token']))).toBe(shown);
});
