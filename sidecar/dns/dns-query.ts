/** What a caller asks: a message that is exactly one question, or why it is not answered. And the answer's form: EDNS (RFC 6891), truncation. */
import {
  type DnsMessage,
  type DnsQuestion,
  type DnsRecord,
  flag,
  opcodeOf,
  rcode,
  readHeader,
  readMessage,
  recordType,
  writeMessage,
} from './dns-message.ts';
import { DnsFormatError, type DnsName } from './dns-name.ts';

/** What a caller that knows EDNS said of itself. */
export interface Edns {
  /** The largest answer that it takes by UDP. */
  readonly maxBytes: number;
  readonly version: number;
  readonly dnssecOk: boolean;
}

export interface DnsQuery {
  readonly id: number;
  readonly flags: number;
  readonly question: DnsQuestion;
  readonly edns: Edns | null;
}

/** What came, when it is not a question that can be answered. `question`: null: it could not be read. */
export interface BadQuery {
  readonly id: number;
  readonly flags: number;
  readonly question: DnsQuestion | null;
  readonly edns: Edns | null;
  readonly rcode: number;
}

/** Larger datagrams may be cut into fragments, which can be forged and get lost (the DNS Flag Day of 2020). */
export const mostUdpBytes = 1232;
const leastUdpBytes = 512;
export const mostTcpBytes = 65_535;

/** Null: nothing may be said to it: it is no question (an answer to an answer would go on for ever), or too short to be one. */
export function readQuery(bytes: Buffer): DnsQuery | BadQuery | null {
  const header = readHeader(bytes);
  if (header === null || (header.flags & flag.response) !== 0) return null;
  const bad = { ...header, question: null, edns: null };
  // Of other kinds of messages we do not know the form.
  if (opcodeOf(header) !== 0) return { ...bad, rcode: rcode.notImplemented };
  let message: DnsMessage;
  try {
    message = readMessage(bytes);
  } catch (error) {
    if (!(error instanceof DnsFormatError)) throw error;
    return { ...bad, rcode: rcode.formatError };
  }
  const { questions, answers, authorities, additionals } = message;
  const question = questions[0] ?? null;
  const options = additionals.filter(({ type }) => type === recordType.opt);
  const edns = options.length === 0 ? null : readEdns(options[0]!);
  const found = { ...header, question, edns };
  // RFC 9619: one question, neither none nor two. RFC 6891, 6.1.1: one OPT, of the root.
  if (question === null || questions.length > 1 || answers.length > 0 || authorities.length > 0)
    return { ...found, rcode: rcode.formatError };
  if (options.length > 1 || (options.length === 1 && options[0]!.name.key !== ''))
    return { ...found, edns: null, rcode: rcode.formatError };
  if (edns !== null && !hasOptionForm(options[0]!.data)) return { ...found, rcode: rcode.formatError };
  if (edns !== null && edns.version !== 0) return { ...found, rcode: rcode.badVersion };
  if (question.type === recordType.opt) return { ...found, rcode: rcode.formatError };
  // Signed questions (TSIG, SIG(0)) are for servers that know the key.
  if (additionals.length > options.length || question.type === recordType.tsig || question.type === recordType.tkey)
    return { ...found, rcode: rcode.notImplemented };
  return { ...found, question };
}

function readEdns({ class: maxBytes, ttl }: DnsRecord): Edns {
  return { maxBytes, version: (ttl >>> 16) & 0xff, dnssecOk: (ttl & 0x8000) !== 0 };
}

function hasOptionForm(data: Buffer): boolean {
  let at = 0;
  while (at + 4 <= data.length) at += 4 + data.readUInt16BE(at + 2);
  return at === data.length;
}

export interface DnsAnswer {
  readonly rcode: number;
  readonly authoritative?: boolean;
  /** There is more than fits. What does not fit says so in any case. */
  readonly truncated?: boolean;
  readonly answers?: readonly DnsRecord[];
  readonly authorities?: readonly DnsRecord[];
  /** Why there is no better answer, for people (RFC 8914, code 0 to 24); only told to callers that know EDNS. */
  readonly reason?: { readonly code: number; readonly text: string };
}

/** How much a caller takes by UDP. */
export function udpLimit(edns: Edns | null): number {
  return edns === null ? leastUdpBytes : Math.min(Math.max(edns.maxBytes, leastUdpBytes), mostUdpBytes);
}

/** `recursionAvailable`: other names are asked of other servers. Records that do not fit are left out, from the end, and the answer says that it is truncated. */
export function writeAnswer(
  query: DnsQuery | BadQuery,
  { rcode: code, authoritative = false, truncated = false, answers = [], authorities = [], reason }: DnsAnswer,
  recursionAvailable: boolean,
  mostBytes: number,
): Buffer {
  const { id, question, edns } = query;
  const flags =
    flag.response |
    (query.flags & (0x7800 | flag.recursionDesired | flag.checkingDisabled)) |
    (authoritative ? flag.authoritative : 0) |
    (truncated ? flag.truncated : 0) |
    (recursionAvailable ? flag.recursionAvailable : 0) |
    (code & 0xf);
  const additionals = edns === null ? [] : [optRecord(mostUdpBytes, edns.dnssecOk, code, reason)];
  const message = { id, flags, questions: question === null ? [] : [question], answers, authorities, additionals };
  const whole = writeMessage(message);
  if (whole.length <= mostBytes) return whole;
  const kept = [...answers];
  for (;;) {
    kept.pop();
    const cut = writeMessage({ ...message, flags: flags | flag.truncated, answers: kept, authorities: [] });
    if (cut.length <= mostBytes || kept.length === 0) return cut;
  }
}

/** The same question for another server: with an id of its own, and of the caller's options only what is not between it and us (cookies, its network). */
export function writeQuestion({ flags, question, edns }: DnsQuery, id: number): Buffer {
  return writeMessage({
    id,
    flags: flags & (flag.recursionDesired | flag.authenticData | flag.checkingDisabled),
    questions: [question],
    answers: [],
    authorities: [],
    additionals: edns === null ? [] : [optRecord(udpLimit(edns), edns.dnssecOk, 0)],
  });
}

const root: DnsName = { key: '', wire: Buffer.from([0]) };

function optRecord(maxBytes: number, dnssecOk: boolean, code: number, reason?: DnsAnswer['reason']): DnsRecord {
  const text = reason === undefined ? null : Buffer.from(reason.text.slice(0, 200));
  const data = Buffer.alloc(text === null ? 0 : 6 + text.length);
  if (text !== null) {
    data.writeUInt16BE(15, 0);
    data.writeUInt16BE(2 + text.length, 2);
    data.writeUInt16BE(reason!.code, 4);
    text.copy(data, 6);
  }
  return {
    name: root,
    type: recordType.opt,
    class: maxBytes,
    ttl: (((code >> 4) << 24) | (dnssecOk ? 0x8000 : 0)) >>> 0,
    data,
  };
}
