/**
 * How sockets are read: into buffers of ours (`onread` of node:net) instead of one that Node allocates for every read. Gives the bytes on as the socket's 'data' events, so that
 * who listens need not know. Two kinds of buffers:
 * - the landing buffer, one for all sockets: what fits is copied out at once, into Node's small buffer pool;
 * - bulk buffers, lent (read-loan.ts) to a socket for as long as it fills them: bodies pass through without a copy and without garbage.
 * A socket that is read so is never read otherwise (`read()`, 'readable').
 */
import { type BoundSocket, type OnReadOpts, Socket, type SocketConstructorOpts } from 'node:net';
import { beginLoan, endLoan, LoanBlock, loan } from './read-loan.ts';
import { flushWriters } from './socket-writer.ts';

/** Envoy reads 16 KiB at a time as well. */
const landingBytes = 16 * 1024;
/** More did not pay: it does not fit the cache. */
const bulkBytes = 80 * 1024;
/** Less in a bulk buffer is copied, so that who keeps a little does not keep the whole buffer. */
const minLentBytes = bulkBytes / 4;
const maxSpareBlocks = 32;
/** So many sockets keep their bulk buffer over a small read, for the next large body. */
const maxKeptBlocks = 64;

const landing = Buffer.allocUnsafeSlow(landingBytes);
const spare: LoanBlock[] = [];
/** Sockets that have a bulk buffer. */
let bulkReaders = 0;

export class SocketReader {
  #socket: Socket | null = null;
  #bulk: LoanBlock | null = null;
  #smallReads = 0;
  /** For the socket's constructor, or `net.connect`. */
  readonly onread: OnReadOpts = {
    buffer: () => this.#bulk?.buffer ?? landing,
    callback: (bytes: number) => {
      this.#read(bytes);
      return true;
    },
  };

  /** `socket`: the one that was made with {@link onread}. */
  attach(socket: Socket): void {
    this.#socket = socket;
    socket.once('close', () => this.#leaveBulk());
  }

  #read(bytes: number): void {
    const socket = this.#socket!;
    const bulk = this.#bulk;
    if (bulk === null) {
      // Full: there is more, and probably much.
      if (bytes === landingBytes) this.#enterBulk();
      socket.emit('data', copyOf(landing, bytes));
      return;
    }
    if (bytes < minLentBytes) {
      const copy = copyOf(bulk.buffer, bytes);
      if (++this.#smallReads > 1 || bulkReaders > maxKeptBlocks) this.#leaveBulk();
      socket.emit('data', copy);
      return;
    }
    this.#smallReads = 0;
    beginLoan(bulk);
    socket.emit('data', bulk.buffer.subarray(0, bytes));
    // What is gathered for the end of the turn would keep the buffer: large bodies go on at once.
    flushWriters();
    if (endLoan(bytes, keepSpare)) return;
    if (this.#bulk !== null) this.#bulk = takeBlock();
  }

  #enterBulk(): void {
    this.#smallReads = 0;
    this.#bulk = takeBlock();
    bulkReaders++;
  }

  #leaveBulk(): void {
    if (this.#bulk === null) return;
    // Lent out just now (the socket was closed on the way), it may still be in use.
    if (loan.block !== this.#bulk) keepSpare(this.#bulk);
    this.#bulk = null;
    bulkReaders--;
  }
}

function takeBlock(): LoanBlock {
  return spare.pop() ?? new LoanBlock(bulkBytes);
}

function keepSpare(block: LoanBlock): void {
  if (spare.length < maxSpareBlocks) spare.push(block);
}

function copyOf(buffer: Buffer, bytes: number): Buffer {
  const copy = Buffer.allocUnsafe(bytes);
  buffer.copy(copy, 0, 0, bytes);
  return copy;
}

/** What of an accepted socket is needed to read it differently. Not documented by Node, hence asked for before it is used. */
interface AcceptedSocket {
  _handle: object | null;
  server?: unknown;
  _server?: unknown;
}

/**
 * Node gives accepted sockets no `onread`: this moves an accepted connection, of which nothing was read yet, to a socket that has it. The two live and die together; from now on
 * use the one that is returned (it is `accepted` itself where the connection can't be moved).
 */
export function readAccepted(accepted: Socket): Socket {
  const inner = accepted as unknown as AcceptedSocket;
  const handle = inner._handle;
  if (!handle || accepted.readableLength > 0 || accepted.readableEnded || accepted.destroyed) return accepted;
  const reader = new SocketReader();
  const options: SocketConstructorOpts = {
    handle: handle as BoundSocket,
    allowHalfOpen: accepted.allowHalfOpen,
    readable: true,
    writable: true,
    onread: reader.onread,
  };
  const socket = new Socket(options);
  reader.attach(socket);
  inner._handle = null;
  socket.once('close', () => accepted.destroy());
  accepted.once('close', () => socket.destroy());
  return socket;
}
