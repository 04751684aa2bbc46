/** Real servers, a proxy and a caller for the tests of one file; what was opened closes after each test. */
import { once } from 'node:events';
import http, { type IncomingMessage, type RequestListener } from 'node:http';
import type { Http2Server } from 'node:http2';
import type { AddressInfo, Server } from 'node:net';
import { afterEach } from 'vitest';
import { Proxy, type ProxyOptions } from './proxy.ts';

const closers: Array<() => unknown> = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** After the test; what was opened last closes first. */
export function closeAfter(...closes: ReadonlyArray<() => unknown>): void {
  closers.push(...closes);
}

export async function listen(server: Server | Http2Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closeAfter(() => server.close());
  return (server.address() as AddressInfo).port;
}

export async function http1App(listener: RequestListener): Promise<number> {
  const server = http.createServer(listener);
  closeAfter(() => server.closeAllConnections());
  return listen(server);
}

export async function proxyTo(upstreamPort: number, options: Omit<ProxyOptions, 'upstreamPort'> = {}): Promise<Proxy> {
  const proxy = await Proxy.start({ upstreamPort, ...options });
  closeAfter(() => proxy.close());
  return proxy;
}

export interface Reply {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
}

/** By HTTP/1.1, on a connection of its own unless `options` has an agent. */
export async function ask(port: number, options: http.RequestOptions = {}, body: string | Buffer = ''): Promise<Reply> {
  const request = http.request({ port, host: '127.0.0.1', agent: false, ...options });
  request.end(body);
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  let text = '';
  for await (const chunk of response.setEncoding('latin1')) text += chunk;
  return { status: response.statusCode!, headers: response.headers, body: text };
}
