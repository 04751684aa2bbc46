import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { ControlPlaneRelay } from './control-plane-relay.ts';

const closing: Array<() => void> = [];
afterEach(() => {
  for (const close of closing.splice(0).toReversed()) close();
});

describe.runIf(process.getuid?.() === 0)('ControlPlaneRelay (as root: its sockets are for the sidecar’s user)', () => {
  it('passes on both ways, to whom it is told, and half-closes', async () => {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      let heard = '';
      socket.on('data', (bytes: Buffer) => (heard += bytes.toString()));
      socket.on('end', () => socket.end(`heard ${heard}`));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const folder = mkdtempSync(join(tmpdir(), 'outrigger-relay-'));
    closing.push(
      () => rmSync(folder, { recursive: true }),
      () => server.close(),
    );
    const to = { host: '127.0.0.1', port: (server.address() as AddressInfo).port };
    const relay = await ControlPlaneRelay.start(
      { folder, sidecarId: 60_514 },
      { plain: { host: '127.0.0.1', port: 1 }, tls: to },
    );
    closing.push(() => relay.close());
    const path = join(folder, 'tls.sock');
    expect(statSync(path)).toMatchObject({ uid: 60_514, gid: 60_514 });
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const socket = connect({ path, allowHalfOpen: true });
    socket.end('hello');
    let heard = '';
    for await (const bytes of socket) heard += bytes;
    expect(heard).toBe('heard hello');
    expect(relay.fault).toBe('');
    const refused = connect(join(folder, 'plain.sock'));
    refused.on('error', () => {});
    await once(refused, 'close');
    expect(relay.fault).toBe('connection refused');
  });
});
