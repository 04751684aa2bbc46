/** Whole DNS messages (RFC 1035, 4), both ways, strictly: what is not exactly one message is refused. Knows no tables and no servers. */
import { DnsFormatError, type DnsName, readName } from './dns-name.ts';

export interface DnsQuestion {
  readonly name: DnsName;
  readonly type: number;
  readonly class: number;
}

export interface DnsRecord {
  readonly name: DnsName;
  readonly type: number;
  readonly class: number;
  readonly ttl: number;
  /** As it stood in the message; names in it may be compressed, against that message. */
  readonly data: Buffer;
}

export interface DnsHeader {
  readonly id: number;
  /** The 16 bits behind the id. */
  readonly flags: number;
}

export interface DnsMessage extends DnsHeader {
  readonly questions: readonly DnsQuestion[];
  readonly answers: readonly DnsRecord[];
  readonly authorities: readonly DnsRecord[];
  readonly additionals: readonly DnsRecord[];
}

export const headerBytes = 12;

export const flag = {
  response: 0x8000,
  authoritative: 0x0400,
  truncated: 0x0200,
  recursionDesired: 0x0100,
  recursionAvailable: 0x0080,
  authenticData: 0x0020,
  checkingDisabled: 0x0010,
} as const;

export const recordType = {
  a: 1,
  ns: 2,
  cname: 5,
  soa: 6,
  ptr: 12,
  mx: 15,
  aaaa: 28,
  srv: 33,
  dname: 39,
  opt: 41,
  tkey: 249,
  tsig: 250,
  ixfr: 251,
  axfr: 252,
  any: 255,
} as const;

export const internetClass = 1;

export const rcode = {
  ok: 0,
  formatError: 1,
  serverFailure: 2,
  noSuchName: 3,
  notImplemented: 4,
  refused: 5,
  badVersion: 16,
} as const;

export function opcodeOf({ flags }: DnsHeader): number {
  return (flags >> 11) & 0xf;
}

/** Null: it is not even a header. */
export function readHeader(bytes: Buffer): DnsHeader | null {
  return bytes.length < headerBytes ? null : { id: bytes.readUInt16BE(0), flags: bytes.readUInt16BE(2) };
}

/** Throws a DnsFormatError. */
export function readMessage(bytes: Buffer): DnsMessage {
  const header = readHeader(bytes);
  if (header === null) throw new DnsFormatError('it is shorter than a header');
  const [questionCount, answerCount, authorityCount, additionalCount] = [4, 6, 8, 10].map((at) =>
    bytes.readUInt16BE(at),
  ) as [number, number, number, number];
  let at = headerBytes;
  const questions: DnsQuestion[] = [];
  for (let i = 0; i < questionCount; i++) {
    const { name, next } = readName(bytes, at);
    if (next + 4 > bytes.length) throw new DnsFormatError('a question ends behind the message');
    questions.push({ name, type: bytes.readUInt16BE(next), class: bytes.readUInt16BE(next + 2) });
    at = next + 4;
  }
  const records = (count: number): DnsRecord[] => {
    const found: DnsRecord[] = [];
    for (let i = 0; i < count; i++) {
      const { name, next } = readName(bytes, at);
      if (next + 10 > bytes.length) throw new DnsFormatError('a record ends behind the message');
      const type = bytes.readUInt16BE(next);
      const start = next + 10;
      at = start + bytes.readUInt16BE(next + 8);
      if (at > bytes.length) throw new DnsFormatError('a record ends behind the message');
      checkData(bytes, type, start, at);
      found.push({
        name,
        type,
        class: bytes.readUInt16BE(next + 2),
        ttl: bytes.readUInt32BE(next + 4),
        data: bytes.subarray(start, at),
      });
    }
    return found;
  };
  const answers = records(answerCount);
  const authorities = records(authorityCount);
  const additionals = records(additionalCount);
  if (at !== bytes.length) throw new DnsFormatError('something stands behind the message');
  return { ...header, questions, answers, authorities, additionals };
}

/** Of types whose form everybody knows; others are data to us. */
function checkData(bytes: Buffer, type: number, start: number, end: number): void {
  const must = (good: boolean): void => {
    if (!good) throw new DnsFormatError(`the data of a record of type ${type} has not its form`);
  };
  switch (type) {
    case recordType.a:
      return must(end - start === 4);
    case recordType.aaaa:
      return must(end - start === 16);
    case recordType.ns:
    case recordType.cname:
    case recordType.ptr:
    case recordType.dname:
      return must(readName(bytes, start).next === end);
    case recordType.mx:
      return must(end - start > 2 && readName(bytes, start + 2).next === end);
    case recordType.srv:
      return must(end - start > 6 && readName(bytes, start + 6).next === end);
    case recordType.soa:
      return must(readName(bytes, readName(bytes, start).next).next + 20 === end);
  }
}

/** Only the owner's name is compressed, where it is that of the first question. Data is written as it is, so it must not be compressed against another message. */
export function writeMessage(message: DnsMessage): Buffer {
  const { id, flags, questions, answers, authorities, additionals } = message;
  const header = Buffer.alloc(headerBytes);
  header.writeUInt16BE(id, 0);
  header.writeUInt16BE(flags, 2);
  for (const [i, section] of [questions, answers, authorities, additionals].entries())
    header.writeUInt16BE(section.length, 4 + 2 * i);
  const first = questions[0]?.name.wire;
  const parts: Buffer[] = [header];
  for (const { name, type, class: questionClass } of questions) parts.push(name.wire, twoNumbers(type, questionClass));
  for (const section of [answers, authorities, additionals]) {
    for (const { name, type, class: recordClass, ttl, data } of section) {
      const fixed = Buffer.alloc(10);
      fixed.writeUInt16BE(type, 0);
      fixed.writeUInt16BE(recordClass, 2);
      fixed.writeUInt32BE(ttl, 4);
      fixed.writeUInt16BE(data.length, 8);
      const owner = first !== undefined && name.wire.length > 2 && name.wire.equals(first) ? toFirstName : name.wire;
      parts.push(owner, fixed, data);
    }
  }
  return Buffer.concat(parts);
}

const toFirstName = Buffer.from([0xc0, headerBytes]);

function twoNumbers(a: number, b: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt16BE(a, 0);
  bytes.writeUInt16BE(b, 2);
  return bytes;
}
