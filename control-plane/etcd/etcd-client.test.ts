/** What is said of servers that are no etcd. A real one: test/interop/shared-counters.test.ts. */
import { createServer as createHttpServer } from 'node:http';
import { createServer as createHttp2Server } from 'node:http2';
import { type AddressInfo, createServer, type Server as NetServer } from 'node:net';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { expect, test } from 'vitest';
import { EtcdClient } from './etcd-client.ts';

async function reason(port: number): Promise<string> {
  const client = new EtcdClient({ host: '127.0.0.1', port }, null);
  return client
    .readAll('/outrigger/', () => {})
    .then(
      () => '',
      (error: Error) => error.message,
    )
    .finally(() => client.close());
}

const noGrpc = 'it does not speak gRPC: is that the port where etcd takes clients?';

test.each<[string, string, () => NetServer]>([
  ['HTTP/1.1', noGrpc, () => createHttpServer((_, response) => response.end('hello'))],
  ['HTTP/2 without gRPC', noGrpc, () => createHttp2Server((_, response) => response.writeHead(404).end())],
  ['something else', noGrpc, () => createServer((socket) => socket.on('error', () => {}).write('SSH-2.0-x\r\n'))],
  ['nothing, and closes', 'it takes no connection without TLS', () => createServer((socket) => socket.end())],
])('a server that speaks %s is told from etcd', async (_, message, create) => {
  const server = create();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  expect(await reason((server.address() as AddressInfo).port)).toBe(message);
  server.close();
});

test('a gRPC server of something else is told from etcd', async () => {
  const server = new Server();
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  expect(await reason(port)).toBe('it speaks gRPC, but is no etcd of 3.4 or later');
  server.forceShutdown();
});
