import dns from 'node:dns';
import { type AddressInfo, createServer } from 'node:net';
import { afterEach, expect, test, vi } from 'vitest';
import { ManualTime } from '../connection-manager/test/manual-time.ts';
import { type ConnectOwner, openTransport } from './connect.ts';
import { isHostName, lookUpHost } from './host-name.ts';

afterEach(() => vi.restoreAllMocks());

test('names are told from addresses that are none, and from what is neither', () => {
  for (const name of ['plane', 'control-plane.outrigger.svc.cluster.local', 'a_b.example', 'x.y.', '1.example'])
    expect([name, isHostName(name)]).toEqual([name, true]);
  for (const text of ['', '.', 'a..b', '-a', 'a-', '10.0.0.300', '1', 'a/b', 'a b', `${'a'.repeat(64)}.x`, 'ä'])
    expect([text, isHostName(text)]).toEqual([text, false]);
});

/** What becomes of a connection to this name. */
function connecting(host: string, port: number): Promise<string> {
  const clock = new ManualTime();
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

test('each connection looks the name up anew, IPv4 first', async () => {
  const server = createServer((socket) => socket.end());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const failing = (code: string) => (_name: string, _options: object, callback: (error: Error) => void) =>
    callback(Object.assign(new Error('no'), { code }));
  const lookup = vi.spyOn(dns, 'lookup');
  lookup.mockImplementationOnce(failing('ENOTFOUND') as never);
  expect(await connecting('plane', port)).toBe(
    `refused: No connection to the service: plane:${port}: no address is known for that name.`,
  );
  lookup.mockImplementationOnce(failing('EAI_AGAIN') as never);
  expect(await connecting('plane', port)).toContain('the name server does not answer');
  lookup.mockImplementation(((_name: string, options: dns.LookupOptions, callback: (...said: unknown[]) => void) => {
    const address = { address: '127.0.0.1', family: 4 };
    if (options.all === true) callback(null, [address]);
    else callback(null, address.address, 4);
  }) as never);
  expect(await connecting('plane', port)).toBe('connected to 127.0.0.1');
  expect(lookup.mock.calls.map(([name, options]) => [name, (options as dns.LookupOptions).order])).toEqual(
    Array.from({ length: 3 }, () => ['plane', 'ipv4first']),
  );
  server.close();
});

test('the real look-up finds this machine', async () => {
  const address = await new Promise((resolve) => lookUpHost('localhost', {}, (_error, found) => resolve(found)));
  expect(address).toBe('127.0.0.1');
});
