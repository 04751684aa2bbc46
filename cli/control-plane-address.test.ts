import { expect, test } from 'vitest';
import { withAddresses } from './control-plane-address.ts';
import { parseSidecarFlags } from './sidecar-flags.ts';

const flags = (...words: string[]) => parseSidecarFlags(['--service', 'shop/web', '--app-port', '1', ...words], {});

const never = {
  sleep: () => Promise.reject(new Error('nothing is waited for')),
  tell: () => {},
};

const lookUp = (name: string): Promise<string> =>
  name === 'plane' ? Promise.resolve('::1') : Promise.reject(Object.assign(new Error('no'), { code: 'ENOTFOUND' }));

test('looks names up, and leaves addresses and what was not given as they are', async () => {
  const { values } = await withAddresses(
    flags('--control-plane', 'plane:15010', '--control-plane-tls', '10.0.0.1:15012'),
    never,
    lookUp,
  );
  expect([values['control-plane'], values['control-plane-tls']]).toEqual(['[::1]:15010', '10.0.0.1:15012']);
  expect((await withAddresses(flags(), never, lookUp)).values['control-plane']).toBeUndefined();
});

test('a name without an address is told by its flag', async () => {
  await expect(withAddresses(flags('--control-plane', 'nohost:1'), never, lookUp)).rejects.toThrow(
    '--control-plane: no address is known for "nohost" (ENOTFOUND); give the control plane\'s name or IP address',
  );
});

test('localhost is this machine, by IPv4', async () => {
  expect((await withAddresses(flags('--control-plane', 'localhost:1'), never)).values['control-plane']).toBe(
    '127.0.0.1:1',
  );
});

test('a name server that does not answer is waited for, and told of every 10 s', async () => {
  const lines: string[] = [];
  let looks = 0;
  const { values } = await withAddresses(
    flags('--control-plane', 'plane:1'),
    { sleep: () => Promise.resolve(), tell: (line) => lines.push(line) },
    () =>
      ++looks > 15
        ? Promise.resolve('10.0.0.1')
        : Promise.reject(Object.assign(new Error('later'), { code: 'EAI_AGAIN' })),
  );
  expect(values['control-plane']).toBe('10.0.0.1:1');
  expect(lines).toEqual(
    Array.from(
      { length: 2 },
      () => 'waiting for the address of "plane" (--control-plane): the name server does not answer (EAI_AGAIN)',
    ),
  );
});
