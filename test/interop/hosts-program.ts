/** Services on several addresses of one machine, on one port: each answers after some milliseconds, and names the address in x-instance. Arguments: port, milliseconds, addresses. */
import { createServer } from 'node:http';

const [port, tookMs, ...addresses] = process.argv.slice(2) as [string, string, ...string[]];
await Promise.all(
  addresses.map((address) => {
    const server = createServer((request, response) => {
      request.resume();
      response.setHeader('x-instance', address);
      setTimeout(() => response.end('done'), Number(tookMs));
    });
    return new Promise<void>((resolve) => server.listen(Number(port), address, resolve));
  }),
);
console.log('listening');
