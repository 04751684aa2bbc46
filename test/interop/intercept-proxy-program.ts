/**
 * Stands for a sidecar: takes what the rules lead to it, says so in a line (`outbound TO`, `inbound TO from CALLER`), and joins the connection with the place it was for.
 *
 * `node intercept-proxy-program.ts redirect|tproxy SERVICE=TARGET…`: as root, and the effective user and group 1337 from the start on. TPROXY: inbound connections go on to the application on loopback, under the
 * caller's address; REDIRECT: to where they were for, from 127.0.0.6 or ::6. `SERVICE=TARGET`: connections to the one go to the other. Answers what comes to port 15053 by UDP with `resolver`.
 */
import { createSocket } from 'node:dgram';
import { connect, createServer, isIPv4, Socket } from 'node:net';
import type { Family } from '../../cli/intercept/address-range.ts';
import { originalDestination, plainAddress, transparentListener } from '../../cli/intercept/socket-calls.ts';
import { connectFrom } from './intercept-sockets.ts';

const [mode, ...pairs] = process.argv.slice(2);
const services = new Map(pairs.map((pair) => pair.split('=') as [string, string]));
const proxyId = 1337;
/** By TPROXY: connections to it go on to where they were for, not to loopback. */
const directPort = 9081;

process.setegid?.(proxyId);
process.seteuid?.(proxyId);

const place = (address: string, port: number): string => `${address} ${port}`;

function outbound(socket: Socket): void {
  const to = originalDestination(socket);
  if (to === null) return void socket.end('outbound, and it says not where to\n');
  const target = services.get(place(to.address, to.port)) ?? place(to.address, to.port);
  const [host = '', port] = target.split(' ');
  join(socket, `outbound ${place(to.address, to.port)}\n`, connect({ host, port: Number(port), allowHalfOpen: true }));
}

function inbound(socket: Socket): void {
  const local = { address: plainAddress(socket.localAddress), port: socket.localPort ?? 0 };
  const to = originalDestination(socket) ?? local;
  const caller = plainAddress(socket.remoteAddress);
  const family: Family = isIPv4(to.address) ? 'IPv4' : 'IPv6';
  const line = `inbound ${place(to.address, to.port)} from ${caller}\n`;
  if (mode === 'tproxy') {
    let fd: number;
    try {
      const loopback = family === 'IPv4' ? '127.0.0.1' : '::1';
      fd = connectFrom(family, caller, to.port === directPort ? to.address : loopback, to.port);
    } catch (error) {
      return void socket.end(`${line}${(error as Error).message}\n`);
    }
    return join(socket, line, new Socket({ fd, readable: true, writable: true, allowHalfOpen: true }));
  }
  const localAddress = family === 'IPv4' ? '127.0.0.6' : '::6';
  join(socket, line, connect({ host: to.address, port: to.port, localAddress, allowHalfOpen: true }));
}

function join(socket: Socket, line: string, upstream: Socket): void {
  for (const side of [socket, upstream]) side.on('error', () => side.destroy());
  socket.write(line);
  upstream.on('error', (error) => socket.end(`upstream: ${(error as NodeJS.ErrnoException).code}\n`));
  upstream.pipe(socket);
  socket.pipe(upstream);
}

let toCome = 0;
function listening(): void {
  if (--toCome === 0) console.log('listening');
}

for (const [family, loopback, all] of [
  ['IPv4', '127.0.0.1', '0.0.0.0'],
  ['IPv6', '::1', '::'],
] as const) {
  toCome += 3;
  createServer({ allowHalfOpen: true }, outbound).listen({ host: loopback, port: 15_001 }, listening);
  const server = createServer({ allowHalfOpen: true }, inbound);
  if (mode === 'tproxy') {
    process.seteuid?.(0);
    const fd = transparentListener(family, 15_006);
    process.seteuid?.(proxyId);
    server.listen({ fd }, listening);
  } else server.listen({ host: all, port: 15_006, ipv6Only: true }, listening);
  const resolver = createSocket(family === 'IPv4' ? 'udp4' : 'udp6');
  resolver.on('message', (_, { address, port }) => resolver.send('resolver', port, address));
  resolver.bind(15_053, loopback, listening);
}
