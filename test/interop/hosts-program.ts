/** Services on several addresses of one machine, on one port: each answers after some milliseconds, and names the address in x-instance. Arguments: http or http2 (without TLS), port, milliseconds, addresses. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createHttp2Server, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2';

const [protocol, port, tookMs, ...addresses] = process.argv.slice(2) as [string, string, string, ...string[]];
await Promise.all(
  addresses.map((address) => {
    const serve = (request: IncomingMessage | Http2ServerRequest, response: ServerResponse | Http2ServerResponse) => {
      request.resume();
      response.setHeader('x-instance', address);
      setTimeout(() => response.end('done'), Number(tookMs));
    };
    const server = protocol === 'http2' ? createHttp2Server(serve) : createServer(serve);
    return new Promise<void>((resolve) => server.listen(Number(port), address, resolve));
  }),
);
console.log('listening');
