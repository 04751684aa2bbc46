/** The far end of a connection in tests: writes frames byte by byte as told, right or wrong, and collects what comes back. */
import { connect, type Socket } from 'node:net';
import { HpackDecoder } from '../hpack/hpack-decoder.ts';

export interface RawFrame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
}

export const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';

/** The bytes of a frame. */
export function frame(type: number, flags: number, streamId: number, payload: Buffer | string = ''): Buffer {
  const body = typeof payload === 'string' ? Buffer.from(payload, 'latin1') : payload;
  const header = Buffer.alloc(9);
  header.writeUIntBE(body.length, 0, 3);
  header[3] = type;
  header[4] = flags;
  header.writeUInt32BE(streamId, 5);
  return Buffer.concat([header, body]);
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

export function setting(id: number, value: number): Buffer {
  return Buffer.concat([Buffer.from([id >> 8, id & 0xff]), uint32(value)]);
}

/** A header block of literals that touch no table; names and values go out as they are. */
export function block(...fields: ReadonlyArray<readonly [string, string]>): Buffer {
  const parts: Buffer[] = [];
  for (const [name, value] of fields) parts.push(Buffer.from([0]), text(name), text(value));
  return Buffer.concat(parts);
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'latin1');
  if (bytes.length < 127) return Buffer.concat([Buffer.from([bytes.length]), bytes]);
  const length = [127];
  let rest = bytes.length - 127;
  while (rest >= 128) {
    length.push((rest & 127) | 128);
    rest >>= 7;
  }
  length.push(rest);
  return Buffer.concat([Buffer.from(length), bytes]);
}

/** The pseudo-headers of a plain request. */
export const get: ReadonlyArray<readonly [string, string]> = [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':path', '/'],
  [':authority', 'a'],
];
export const post: ReadonlyArray<readonly [string, string]> = [[':method', 'POST'], ...get.slice(1)];

export class RawPeer {
  readonly socket: Socket;
  readonly frames: RawFrame[] = [];
  readonly closed: Promise<void>;
  readonly #decoder = new HpackDecoder(1_000_000, 10_000);
  readonly #decoded = new Map<RawFrame, Array<[string, string]>>();
  #input: Buffer = Buffer.alloc(0);
  #prefaceLeft: number;
  #wake: Array<() => void> = [];
  isClosed = false;

  /** `asServer`: the peer's preface is skipped. */
  constructor(socket: Socket, asServer: boolean) {
    this.socket = socket;
    this.#prefaceLeft = asServer ? preface.length : 0;
    this.closed = new Promise((resolve) => {
      socket.on('close', () => {
        this.isClosed = true;
        this.#wakeAll();
        resolve();
      });
    });
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => this.#onData(chunk));
  }

  static connect(port: number): RawPeer {
    return new RawPeer(connect({ port, host: '127.0.0.1', noDelay: true }), false);
  }

  /** Preface and SETTINGS, and the acknowledgement of the server's. */
  hello(...settings: Buffer[]): this {
    this.send(Buffer.from(preface), frame(4, 0, 0, Buffer.concat(settings)), frame(4, 1, 0));
    return this;
  }

  send(...parts: Buffer[]): this {
    this.socket.write(Buffer.concat(parts));
    return this;
  }

  /** The first frame that fits, now or later; fails when the connection closes without it. */
  async frame(fits: (frame: RawFrame) => boolean): Promise<RawFrame> {
    for (;;) {
      const found = this.frames.find(fits);
      if (found !== undefined) return found;
      if (this.isClosed) throw new Error(`closed; got ${this.frames.map((f) => `${f.type}/${f.streamId}`).join(' ')}`);
      await new Promise<void>((resolve) => this.#wake.push(resolve));
    }
  }

  /** Error code of the RST_STREAM of a stream. */
  async resetCode(streamId: number): Promise<number> {
    return (await this.frame((f) => f.type === 3 && f.streamId === streamId)).payload.readUInt32BE(0);
  }

  /** Error code of the GOAWAY. */
  async goAwayCode(): Promise<number> {
    return (await this.frame((f) => f.type === 7)).payload.readUInt32BE(4);
  }

  /** Everything sent before was handled by the peer: it answered a PING behind it. */
  async settled(mark = 'settled!'): Promise<void> {
    this.send(frame(6, 0, 0, mark));
    await this.frame((f) => f.type === 6 && f.flags === 1 && f.payload.toString() === mark);
  }

  /** Fields of the n-th HEADERS frame of a stream. */
  async headers(streamId: number, nth = 0): Promise<Array<[string, string]>> {
    const isIt = (f: RawFrame): boolean => f.type === 1 && f.streamId === streamId;
    const found = await this.frame((f) => isIt(f) && this.frames.filter(isIt).indexOf(f) === nth);
    return this.#decoded.get(found)!;
  }

  #onData(chunk: Buffer): void {
    this.#input = Buffer.concat([this.#input, chunk]);
    if (this.#prefaceLeft > 0) {
      if (this.#input.length < this.#prefaceLeft) return;
      this.#input = this.#input.subarray(this.#prefaceLeft);
      this.#prefaceLeft = 0;
    }
    while (this.#input.length >= 9) {
      const length = this.#input.readUIntBE(0, 3);
      if (this.#input.length < 9 + length) break;
      const one = {
        type: this.#input[3]!,
        flags: this.#input[4]!,
        streamId: this.#input.readUInt32BE(5),
        payload: this.#input.subarray(9, 9 + length),
      };
      this.#input = this.#input.subarray(9 + length);
      if (one.type === 1 && (one.flags & 4) !== 0) {
        const fields = this.#decoder.decode(one.payload, 0, one.payload.length);
        this.#decoded.set(
          one,
          fields.names.map((name, i) => [name.name.raw, fields.values[i]!]),
        );
      }
      this.frames.push(one);
    }
    this.#wakeAll();
  }

  #wakeAll(): void {
    const wake = this.#wake;
    this.#wake = [];
    for (const one of wake) one();
  }
}
