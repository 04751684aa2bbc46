import dns, { type LookupAddress, type LookupOptions } from 'node:dns';
import { type AddressInfo, createServer } from 'node:net';
import { afterEach, expect, test, vi } from 'vitest';
import type { AddressFamily } from '../config/cluster-config.ts';
import { ManualTime } from '../connection-manager/test/manual-time.ts';
import { type ConnectOwner, openTransport } from './connect.ts';
import { NameLookups } from './name-lookups.ts';

afterEach(() => vi.restoreAllMocks());

type Answer = (error: Error | null, addresses?: readonly LookupAddress[]) => void;

const at = (address: string): readonly LookupAddress[] => [{ address, family: 4 }];
const fault = (code: string): Error => Object.assign(new Error('no'), { code });

/** A name server that answers when told to; what connections to `name` are told, in order. */
function bench() {
  const questions: { options: LookupOptions; answer: Answer }[] = [];
  vi.spyOn(dns, 'lookup').mockImplementation(((_name: string, options: LookupOptions, answer: Answer) => {
    questions.push({ options, answer });
  }) as never);
  const time = new ManualTime();
  const lookups = new NameLookups();
  const told: string[] = [];
  const ask = async (family: AddressFamily = 'ipv4-first', name = 'plane'): Promise<void> => {
    lookups.for(family, { clock: time, wheel: time.wheel })(name, {}, (error, address) =>
      told.push(error === null ? String(address) : error.code!),
    );
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { questions, time, told, ask };
}

test('one look-up at a time for a name, whose answer counts for five seconds', async () => {
  const { questions, time, told, ask } = bench();
  for (let i = 0; i < 50; i++) await ask();
  expect([questions.length, told.length]).toEqual([1, 0]);
  questions[0]!.answer(null, at('10.0.0.1'));
  expect(told).toEqual(Array.from({ length: 50 }, () => '10.0.0.1'));
  time.advance(4_900);
  await ask();
  expect([questions.length, told.length]).toEqual([1, 51]);
  time.advance(200);
  await ask();
  expect([questions.length, told.length]).toEqual([2, 51]);
  questions[1]!.answer(null, at('10.0.0.2'));
  expect(told.at(-1)).toBe('10.0.0.2');
});

test('the last addresses count on while the name server fails (as in Envoy)', async () => {
  const { questions, time, told, ask } = bench();
  await ask();
  questions[0]!.answer(null, at('10.0.0.1'));
  time.advance(6_000);
  await ask();
  questions[1]!.answer(fault('EAI_AGAIN'));
  expect(told).toEqual(['10.0.0.1', '10.0.0.1']);
});

test('they count after a second in which it does not answer, and at once from then on, until it does', async () => {
  const { questions, time, told, ask } = bench();
  await ask();
  questions[0]!.answer(null, at('10.0.0.1'));
  time.advance(6_000);
  await ask();
  time.advance(900);
  expect(told).toHaveLength(1);
  time.advance(200);
  expect(told).toEqual(['10.0.0.1', '10.0.0.1']);
  await ask();
  expect([questions.length, told.length]).toEqual([2, 3]);
  questions[1]!.answer(null, at('10.0.0.2'));
  await ask();
  expect(told.at(-1)).toBe('10.0.0.2');
});

test('an error counts for those who waited: the next one asks anew', async () => {
  const { questions, told, ask } = bench();
  await ask();
  questions[0]!.answer(fault('ENOTFOUND'));
  await ask();
  expect([questions.length, told]).toEqual([2, ['ENOTFOUND']]);
});

test('connections that wait for a dead name server are bounded', async () => {
  const { questions, told, ask } = bench();
  await Promise.all(Array.from({ length: 1_010 }, () => ask()));
  expect([questions.length, told]).toEqual([1, Array.from({ length: 10 }, () => 'EAI_AGAIN')]);
});

test('families are asked for as dns_lookup_family says, each by itself', async () => {
  const { questions, ask } = bench();
  const families: readonly AddressFamily[] = ['ipv4', 'ipv6', 'ipv4-first', 'ipv6-first', 'any'];
  for (const family of families) await ask(family);
  expect(questions.map(({ options: { family, order = '' } }) => `${family} ${order}`)).toEqual([
    ...['4 ', '6 ', '0 ipv4first', '0 ipv6first', '0 verbatim'],
  ]);
});

/** What becomes of a connection to this name. */
function connecting(host: string, port: number, clock: ManualTime): Promise<string> {
  const { wheel } = clock;
  return new Promise((resolve) => {
    const owner: ConnectOwner = {
      onConnected: (socket) => {
        resolve(`connected to ${socket.remoteAddress}`);
        socket.destroy();
      },
      onConnectFailed: ({ message }, reason) => resolve(`${reason}: ${message}`),
      onSession: () => {},
    };
    openTransport({ host, port, tls: null, alpn: [], session: null, timeoutMs: 0, clock, wheel }, owner);
  });
}

test('a connection to a name: why there is none, and that there is one', async () => {
  const server = createServer((socket) => socket.end());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const clock = new ManualTime();
  const answering = (error: Error | null) => (_name: string, _options: LookupOptions, answer: Answer) =>
    answer(error, at('127.0.0.1'));
  const lookup = vi.spyOn(dns, 'lookup');
  lookup.mockImplementationOnce(answering(fault('ENOTFOUND')) as never);
  expect(await connecting('shop-plane', port, clock)).toBe(
    `refused: No connection to the service: shop-plane:${port}: no address is known for that name.`,
  );
  lookup.mockImplementationOnce(answering(fault('EAI_AGAIN')) as never);
  expect(await connecting('shop-plane', port, clock)).toContain('the name server does not answer');
  lookup.mockImplementationOnce(answering(null) as never);
  expect(await connecting('shop-plane', port, clock)).toBe('connected to 127.0.0.1');
  server.close();
});

test('the real look-up finds this machine', async () => {
  const clock = new ManualTime();
  const lookUp = new NameLookups().for('ipv4-first', { clock, wheel: clock.wheel });
  expect(await new Promise((resolve) => lookUp('localhost', {}, (_error, found) => resolve(found)))).toBe('127.0.0.1');
});
