import { type AddressInfo, createServer, Server } from 'node:net';
import { networkInterfaces } from 'node:os';
import { afterEach, expect, test, vi } from 'vitest';
import { isListenedOn } from './command-port.ts';

const servers: Server[] = [];

afterEach(() => {
  for (const server of servers.splice(0)) server.close();
  vi.restoreAllMocks();
});

async function listening(host: string): Promise<number> {
  const server = createServer();
  servers.push(server);
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, host, resolve));
  return (server.address() as AddressInfo).port;
}

const hasIpv6 = Object.values(networkInterfaces()).some((each) => each?.some(({ family }) => family === 'IPv6'));

test.each(['127.0.0.1', '0.0.0.0', ...(hasIpv6 ? ['::'] : [])])(
  'a port that somebody listens on at %s is listened on',
  async (host) => {
    expect(await isListenedOn(await listening(host))).toBe(true);
  },
);

test('a port that nobody listens on is not, and is not listened on to find out: the sidecar would take that for the application', async () => {
  const port = await listening('127.0.0.1');
  await new Promise((resolve) => servers.pop()!.close(resolve));
  const listen = vi.spyOn(Server.prototype, 'listen');
  expect(await isListenedOn(port)).toBe(false);
  expect(listen).not.toHaveBeenCalled();
});
