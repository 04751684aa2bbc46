import { expect, test } from 'vitest';
import { type AdminData, AdminServer } from './admin-server.ts';

test('what fails on the way of an answer is told as 500, and the next question is answered', async () => {
  const data: AdminData = {
    ready: () => true,
    metrics: () => {
      throw new Error('no metrics');
    },
    lists: {
      broken: () => {
        throw new Error('nothing to list');
      },
    },
    live: { get: async () => null, tap: () => ({ status: 404, body: {} }) },
    actions: null,
    dashboard: null,
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
