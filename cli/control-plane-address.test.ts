import { expect, test } from 'vitest';
import { withAddresses } from './control-plane-address.ts';
import { parseSidecarFlags } from './sidecar-flags.ts';

const flags = (...words: string[]) => parseSidecarFlags(['--service', 'shop/web', '--app-port', '1', ...words], {});

const silent = (line: string): void => expect.unreachable(line);

const lookUp = (name: string): Promise<string> =>
  name === 'here'
    ? Promise.resolve('::1')
    : name === 'plane'
      ? Promise.resolve('10.0.0.9')
      : Promise.reject(Object.assign(new Error('no'), { code: name === 'later' ? 'EAI_AGAIN' : 'ENOTFOUND' }));

test('names of this machine become addresses; others stay names, as they may stand for another address tomorrow', async () => {
  const of = async (...words: string[]) => (await withAddresses(flags(...words), silent, lookUp)).values;
  expect(await of('--control-plane', 'here:15010', '--control-plane-tls', '10.0.0.1:15012')).toMatchObject({
    'control-plane': '[::1]:15010',
    'control-plane-tls': '10.0.0.1:15012',
  });
  expect((await of('--control-plane', 'plane:15010'))['control-plane']).toBe('plane:15010');
  expect((await of())['control-plane']).toBeUndefined();
});

test('a name that nobody knows (yet) is told, and looked up again with each attempt to connect', async () => {
  const lines: string[] = [];
  const given = flags('--control-plane', 'nohost:1', '--control-plane-tls', 'later:2');
  const { values } = await withAddresses(given, (line) => lines.push(line), lookUp);
  expect([values['control-plane'], values['control-plane-tls']]).toEqual(['nohost:1', 'later:2']);
  expect(lines).toEqual([
    '--control-plane: "nohost": no address is known for that name (ENOTFOUND); it is looked up again with each attempt to connect',
    '--control-plane-tls: "later": the name server does not answer (EAI_AGAIN); it is looked up again with each attempt to connect',
  ]);
});

test('what is neither an address nor a name is told by its flag', async () => {
  for (const text of ['10.0.0.300:1', 'http//plane:1', 'a..b:1'])
    await expect(withAddresses(flags('--control-plane', text), silent, lookUp)).rejects.toThrow(
      /^--control-plane: ".*" is neither an IP address nor a name; give the control plane's name or IP address$/,
    );
});

test('localhost is this machine, by IPv4', async () => {
  expect((await withAddresses(flags('--control-plane', 'localhost:1'), silent)).values['control-plane']).toBe(
    '127.0.0.1:1',
  );
});
