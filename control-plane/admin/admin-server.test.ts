import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { type AdminData, AdminServer } from './admin-server.ts';

const nothing: AdminData = {
  ready: () => true,
  metrics: () => {
    throw new Error('no metrics');
  },
  lists: {},
  live: { get: async () => null, tap: () => ({ status: 404, body: {} }) },
  actions: null,
  dashboard: null,
};

test('what fails on the way of an answer is told as 500, and the next question is answered', async () => {
  const data: AdminData = {
    ...nothing,
    lists: {
      broken: () => {
        throw new Error('nothing to list');
      },
    },
  };
  const server = await AdminServer.start({ host: '127.0.0.1', port: 0 }, data);
  try {
    const get = async (path: string): Promise<[number, string]> => {
      const response = await fetch(`http://127.0.0.1:${server.port}${path}`);
      return [response.status, await response.text()];
    };
    expect(await get('/api/v1/broken')).toEqual([500, 'the control plane failed: nothing to list\n']);
    expect(await get('/metrics')).toEqual([500, 'the control plane failed: no metrics\n']);
    expect(await get('/healthz/live')).toEqual([200, 'OK\n']);
  } finally {
    await server.close();
  }
});

test('of one address 4 scrapes are answered at a time, of all 8: one more is refused by 503, or takes the place of one of the address with most', async () => {
  let made = 0;
  async function* endless(): AsyncGenerator<Buffer, void, undefined> {
    made++;
    try {
      for (;;) {
        yield Buffer.alloc(32 * 1024);
        await setImmediate();
      }
    } finally {
      made--;
    }
  }
  const server = await AdminServer.start(
    { host: '127.0.0.1', port: 0 },
    { ...nothing, metrics: () => ({ contentType: 'text/plain', contentEncoding: '', pieces: endless() }) },
  );
  const sockets: Socket[] = [];
  const scrape = async (from: number): Promise<string> => {
    const socket = connect({ port: server.port, host: '127.0.0.1', localAddress: `127.0.0.${from}` });
    sockets.push(socket);
    socket.on('error', () => {});
    socket.write('GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n');
    const [answer] = (await once(socket, 'data')) as [Buffer];
    socket.pause();
    return answer.toString().slice(0, 2_000);
  };
  try {
    for (let each = 0; each < 4; each++) expect(await scrape(1)).toContain(' 200 OK');
    expect(await scrape(1)).toMatch(
      /^HTTP\/1\.1 503 [^]*\r\n\r\n4 scrapes of 127\.0\.0\.1 are being answered; try again in a moment\n$/,
    );
    for (let from = 2; from <= 6; from++) expect(await scrape(from)).toContain(' 200 OK');
    await expect.poll(() => made).toBe(8);
    expect(server.scrapesFailed).toEqual({ too_many: 2, not_read: 0 });
    for (const socket of sockets) socket.destroy();
    await expect.poll(() => made).toBe(0);
    expect(await scrape(1)).toContain(' 200 OK');
  } finally {
    for (const socket of sockets) socket.destroy();
    await server.close();
  }
});
