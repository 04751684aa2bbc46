import { describe, expect, it } from 'vitest';
import { systemClock } from '../runtime/clock.ts';
import { TimerWheel } from '../runtime/timer-wheel.ts';
import { openTransport } from '../transport/connect.ts';
import { hostLoopbackSocket } from './host-loopback.ts';

describe('hosts on the loopback of the machine around a network of its own', () => {
  it.each([
    ['127.0.0.1', '/f/127.0.0.1:80'],
    ['127.1.2.3', '/f/127.1.2.3:80'],
    ['::1', '/f/::1:80'],
    ['10.0.0.1', ''],
    ['1270.0.0.1', ''],
    ['127.0.0.1.example', ''],
  ])('%s is reached by %j', (host, path) => {
    expect(hostLoopbackSocket('/f', host, 80)).toBe(path);
  });

  it('that are not registered are refused with what is reached there, and by their own address', async () => {
    const message = await new Promise<string>((resolve, reject) => {
      openTransport(
        {
          ...{ host: '127.0.0.1', port: 36_533, pipePath: '/nonesuch/127.0.0.1:36533', tls: null, alpn: [] },
          ...{ session: null, timeoutMs: 1_000, clock: systemClock, wheel: new TimerWheel(systemClock) },
        },
        {
          onConnected: () => reject(new Error('connected')),
          onConnectFailed: ({ message: why }) => resolve(why),
          onSession: () => {},
        },
      );
    });
    expect(message).toContain("127.0.0.1:36533: this is the host's loopback");
  });
});
