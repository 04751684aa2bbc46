/** `node intercept-app-program.ts NAME PORT…`: tells each caller by which address it came and to which (`NAME saw FROM on TO PORT`); answers questions to port 53 by UDP with NAME. */
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';

const [name = '', ...ports] = process.argv.slice(2);
const plain = (address: string | undefined): string => (address ?? '').replace(/^::ffff:/, '');
let toCome = ports.length + 2;
const listening = (): void => {
  if (--toCome === 0) console.log('listening');
};
for (const port of ports)
  createServer((socket) => {
    socket.on('error', () => {});
    socket.end(`${name} saw ${plain(socket.remoteAddress)} on ${plain(socket.localAddress)} ${socket.localPort}\n`);
  }).listen({ host: '::', port: Number(port) }, listening);
for (const type of ['udp4', 'udp6'] as const) {
  const server = createSocket({ type, ipv6Only: type === 'udp6' });
  server.on('message', (_, { address, port }) => server.send(name, port, address));
  server.bind(53, listening);
}
