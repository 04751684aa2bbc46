import { type AddressInfo, createServer, Socket } from 'node:net';
import { describe, expect, it, vi } from 'vitest';
import { systemClock } from '../runtime/clock.ts';
import { TimerWheel } from '../runtime/timer-wheel.ts';
import { openTransport } from './connect.ts';

describe('tcp_keepalive of a connection', () => {
  it("is what is said, with Linux's defaults for the rest; off where nothing is said", async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const set = vi.spyOn(Socket.prototype, 'setKeepAlive');
    const wheel = new TimerWheel(systemClock);
    const target = { host: '127.0.0.1', port, tls: null, alpn: [], session: null, timeoutMs: 5_000 };
    for (const keepAlive of [null, { idleMs: 30_000, intervalMs: 0, probes: 3 }]) {
      const error = await new Promise((resolve) =>
        openTransport(
          { ...target, keepAlive, clock: systemClock, wheel },
          {
            onConnected: (socket) => resolve(void socket.destroy()),
            onConnectFailed: resolve,
            onSession: () => {},
          },
        ),
      );
      expect(error).toBeUndefined();
    }
    expect(set.mock.calls).toEqual([[true, 30_000, 75_000, 3]]);
    set.mockRestore();
    server.close();
  });
});
