import { expect, test } from 'vitest';
import { withAddresses } from './control-plane-address.ts';
import { parseSidecarFlags } from './sidecar-flags.ts';

const flags = (...words: string[]) => parseSidecarFlags(['--service', 'shop/web', '--app-port', '1', ...words], {});

const lookUp = (name: string): Promise<string> =>
  name === 'plane' ? Promise.resolve('::1') : Promise.reject(Object.assign(new Error('no'), { code: 'ENOTFOUND' }));

test('looks names up, and leaves addresses and what was not given as they are', async () => {
  const { values } = await withAddresses(
    flags('--control-plane', 'plane:15010', '--control-plane-tls', '10.0.0.1:15012'),
    lookUp,
  );
  expect([values['control-plane'], values['control-plane-tls']]).toEqual(['[::1]:15010', '10.0.0.1:15012']);
  expect((await withAddresses(flags(), lookUp)).values['control-plane']).toBeUndefined();
});

test('a name without an address is told by its flag', async () => {
  await expect(withAddresses(flags('--control-plane', 'nohost:1'), lookUp)).rejects.toThrow(
    '--control-plane: no address is known for "nohost" (ENOTFOUND); give the control plane\'s name or IP address',
  );
});

test('localhost is this machine, by IPv4', async () => {
  expect((await withAddresses(flags('--control-plane', 'localhost:1'))).values['control-plane']).toBe('127.0.0.1:1');
});
