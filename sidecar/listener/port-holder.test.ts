import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { portHolder } from './port-holder.ts';

describe.runIf(process.platform === 'linux')('portHolder', () => {
  it('finds the process that listens', async () => {
    const child = spawn(process.execPath, [
      '-e',
      "const s=require('net').createServer().listen(0,'127.0.0.1',()=>console.log(s.address().port))",
    ]);
    try {
      const [line] = (await once(child.stdout, 'data')) as [Buffer];
      expect(portHolder(Number(line.toString()))).toMatchObject({ pid: child.pid });
    } finally {
      child.kill();
    }
  });

  it('finds who is in the way of the address, and not who has the same port of another', async () => {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    for (const host of ['', '127.0.0.1', '0.0.0.0', '::'])
      expect([host, portHolder(port, 'tcp', host)?.pid]).toEqual([host, process.pid]);
    for (const host of ['::1', '127.0.0.2', 'fd00::1'])
      expect([host, portHolder(port, 'tcp', host)?.pid]).toEqual([host, undefined]);
    server.close();
  });

  it('finds nobody for a port that nobody listens on', async () => {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    server.close();
    await once(server, 'close');
    expect(portHolder(port)).toBeNull();
  });
});
