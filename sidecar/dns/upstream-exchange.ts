/**
 * One question to one name server, by UDP or TCP. By UDP each has a socket of its own, so that its port is a new random one (RFC 5452); it is connected, so that the kernel lets only that server's
 * datagrams through. What comes and is not the answer (another id or question) is passed over: the right one may still come.
 */
import { createSocket } from 'node:dgram';
import { connect, isIPv6 } from 'node:net';
import type { SocketAddress } from '../config/listener-config.ts';

export interface Exchange {
  /** Is it the answer to this question? */
  readonly accepts: (bytes: Buffer) => boolean;
  readonly onAnswer: (bytes: Buffer) => void;
  /** There will be none, as `no name server there (ECONNREFUSED)`. */
  readonly onFailed: (why: string) => void;
  /** Something came that is not the answer. */
  readonly onForeign: () => void;
}

/** Who sends more of it guesses. */
const mostForeign = 16;

/** Calls back once, or never after the returned function was called, which ends it. */
export function askByUdp(server: SocketAddress, question: Buffer, exchange: Exchange): () => void {
  const socket = createSocket(isIPv6(server.host.replace(/%.*$/, '')) ? 'udp6' : 'udp4');
  let over = false;
  let foreign = 0;
  const end = (): void => {
    if (over) return;
    over = true;
    socket.close();
  };
  const fail = (why: string): void => {
    if (over) return;
    end();
    exchange.onFailed(why);
  };
  socket.on('error', (error: NodeJS.ErrnoException) => fail(error.code ?? error.message));
  socket.on('message', (bytes) => {
    if (over) return;
    if (!exchange.accepts(bytes)) {
      exchange.onForeign();
      if (++foreign === mostForeign) fail('it sends what was not asked for');
      return;
    }
    end();
    exchange.onAnswer(bytes);
  });
  socket.once('connect', () => {
    if (!over) socket.send(question, (error) => (error === null ? undefined : fail(error.message)));
  });
  // It may say at once that there is no way to there.
  socket.connect(server.port, server.host);
  return end;
}

export function askByTcp(server: SocketAddress, question: Buffer, exchange: Exchange): () => void {
  const socket = connect({ host: server.host, port: server.port });
  let over = false;
  let seen: Buffer = Buffer.alloc(0);
  const end = (): void => {
    over = true;
    socket.destroy();
  };
  const fail = (why: string): void => {
    if (over) return;
    end();
    exchange.onFailed(why);
  };
  socket.on('error', (error: NodeJS.ErrnoException) => fail(error.code ?? error.message));
  socket.on('end', () => fail('it closed the connection'));
  socket.on('close', () => fail('it closed the connection'));
  socket.on('data', (bytes: Buffer) => {
    if (over) return;
    // At most 64 KiB and a little: it ends at the first message.
    seen = seen.length === 0 ? bytes : Buffer.concat([seen, bytes]);
    if (seen.length < 2 || seen.length < 2 + seen.readUInt16BE(0)) return;
    const message = seen.subarray(2, 2 + seen.readUInt16BE(0));
    if (!exchange.accepts(message)) {
      exchange.onForeign();
      fail('it sends what was not asked for');
      return;
    }
    end();
    exchange.onAnswer(message);
  });
  socket.write(framed(question));
  return end;
}

/** With its length in front (RFC 1035, 4.2.2). */
export function framed(message: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  return Buffer.concat([length, message]);
}
