/** The command against a control plane's admin port that says lines of a tap. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { tap } from './tap.ts';

const dataDir = mkdtempSync(join(tmpdir(), 'outrigger-tap-'));
let server: Server;
let controlPlaneAdmin = '';
let said = '';
let asked = 0;

beforeAll(async () => {
  writeFileSync(join(dataDir, 'local-token'), 'token\n', { mode: 0o600 });
  // As a tap does, it goes on.
  server = createServer((_, response) => {
    asked++;
    response.writeHead(200, { server: 'outrigger' }).write(said);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  controlPlaneAdmin = `127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(() => {
  server.closeAllConnections();
  server.close();
  rmSync(dataDir, { recursive: true, force: true });
});

test.each(['99', 'foo', 'grpc:17'])(
  '--status %s is refused as a wrong argument, before anybody is asked',
  async (status) => {
    await expect(tap({ controlPlaneAdmin, dataDir, status, output: 'json' })).rejects.toMatchObject({
      message: `--status: "${status}" is not a status (503), a class (5xx) or a gRPC status (grpc:14)`,
      exitCode: 2,
    });
    expect(asked).toBe(0);
  },
);

test('a flag that is none is refused with those that are, before anybody is asked', async () => {
  await expect(tap({ controlPlaneAdmin, dataDir, flagged: 'XX', output: 'json' })).rejects.toMatchObject({
    message: expect.stringMatching(/^--flagged: "XX" is no response flag; there are UH, UF, /) as string,
    exitCode: 2,
  });
});

test('what a sidecar finds wrong with a tap ends it with that text', async () => {
  said = '{"fault":"no such query"}\n';
  await expect(tap({ controlPlaneAdmin, dataDir, output: 'json' })).rejects.toMatchObject({
    message: 'no such query',
    exitCode: 1,
  });
});

test('what the control plane doubts of it is told beside it, and it goes on', async () => {
  said = '{"note":"no sidecar of shop/nobody is connected"}\n{"method":"GET","path":"/after"}\n{"fault":"over"}\n';
  const [out, err] = [process.stdout, process.stderr].map((stream) =>
    vi.spyOn(stream, 'write').mockImplementation(() => true),
  );
  await expect(tap({ controlPlaneAdmin, dataDir, output: 'json' })).rejects.toThrow('over');
  expect(err!.mock.calls.map(([text]) => text)).toEqual(['outrigger: no sidecar of shop/nobody is connected\n']);
  expect(out!.mock.calls.map(([text]) => text)).toEqual(['{"method":"GET","path":"/after"}\n']);
  vi.restoreAllMocks();
});

test('so does a line that is no JSON', async () => {
  said = 'hello\n';
  await expect(tap({ controlPlaneAdmin, dataDir, output: 'json' })).rejects.toThrow(
    /^what answers at 127\.0\.0\.1:\d+ is not a control plane \(200\)/,
  );
});
