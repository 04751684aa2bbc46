/** Which packages are fetched for the image, by what apt lists. */
import { expect, test } from 'vitest';
import { packagesToGet } from './debian-packages.ts';

test('for the machine’s own architecture, all that is listed, by that', () => {
  const listed = 'iptables\n  Depends: libc6\n  Depends: <awk>\nlibc6\n<awk>\nnetbase\n';
  expect(packagesToGet(listed, 'amd64', 'amd64')).toEqual(['iptables:amd64', 'libc6:amd64', 'netbase:amd64']);
});

test('for another, packages of all architectures by their bare names, and none of the machine’s own beside the other’s', () => {
  const listed = 'iptables:arm64\n  Depends: libc6:arm64\nlibc6:arm64\nnetbase\ndebconf\nlibc6\n';
  expect(packagesToGet(listed, 'arm64', 'amd64')).toEqual(['iptables:arm64', 'libc6:arm64', 'netbase', 'debconf']);
});
