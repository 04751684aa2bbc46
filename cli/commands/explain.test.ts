/** The command as its words are read, against a sidecar's admin port. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { toJson } from '@bufbuild/protobuf';
import { afterEach, expect, test, vi } from 'vitest';
import { outbound } from '../../control-plane/observe/test/records.ts';
import { RequestRecordSchema } from '../../proto/generated/outrigger/observe/v1/observe_pb.js';
import { program } from '../program.ts';

let server: Server | undefined;

afterEach(() => {
  server?.close();
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  process.exitCode = undefined;
});

async function sidecar(): Promise<string> {
  const record = toJson(RequestRecordSchema, outbound('web', 'orders', 0, 9, { status: 500 }));
  server = createServer((request, response) => {
    const known = request.url === '/requests/r-1';
    response.writeHead(known ? 200 : 404).end(known ? JSON.stringify({ requests: [record] }) : 'no such request\n');
  });
  await new Promise<void>((resolve) => {
    server!.listen(0, '127.0.0.1', resolve);
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function printed(...words: string[]): Promise<string> {
  let text = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((part) => ((text += String(part)), true));
  // Where nothing listens: the control plane is not asked.
  const all = ['explain', 'r-1', '--control-plane-admin', '127.0.0.1:1', ...words];
  await program().parseAsync(all, { from: 'user' });
  return text;
}

test.each(['--sidecar-admin', '--sidecar'])('%s asks this sidecar, without a control plane', async (name) => {
  expect(await printed(name, await sidecar())).toMatch(/^GET \/buy\/42 from web, .* answered 500 in 9 ms\n/);
});

test('so does the variable OUTRIGGER_SIDECAR', async () => {
  vi.stubEnv('OUTRIGGER_SIDECAR', await sidecar());
  expect(await printed()).toContain('answered 500');
});

test('what is no address is told under the name that help shows', async () => {
  await expect(printed('--sidecar-admin', 'localhost')).rejects.toThrow(/^--sidecar-admin: "localhost" is not/);
});
