import { type AddressInfo, createServer } from 'node:net';
import { expect, test } from 'vitest';
import { ManualTime } from '../sidecar/connection-manager/test/manual-time.ts';
import { ControlPlaneWait } from './control-plane-wait.ts';

test('says every 10 s whom it waits for, and why, until it is stopped', async () => {
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const time = new ManualTime();
  const said: string[] = [];
  const wait = new ControlPlaneWait({ host: '127.0.0.1', port }, time.wheel, (address, why) =>
    said.push(`${address}: ${why}`),
  );
  time.advance(9_980);
  expect(time.wheel.armedCount).toBe(1);
  time.advance(40);
  await expect.poll(() => said).toEqual([`127.0.0.1:${port}: it takes connections, but has not sent everything yet`]);
  await new Promise((resolve) => server.close(resolve));
  time.advance(10_020);
  await expect.poll(() => said.slice(1)).toEqual([`127.0.0.1:${port}: connection refused`]);
  wait.stop();
  expect(time.wheel.armedCount).toBe(0);
});
