/** Answers questions: names of the table for itself, all others by asking (forwarder.ts). Knows no sockets. */
import type { DnsConfig } from '../config/dns-config.ts';
import { internetClass, rcode, recordType } from './dns-message.ts';
import {
  type BadQuery,
  type DnsAnswer,
  type DnsQuery,
  mostTcpBytes,
  readQuery,
  udpLimit,
  writeAnswer,
} from './dns-query.ts';
import type { AnsweredBy, DnsStats } from './dns-stats.ts';
import type { DnsTable } from './dns-table.ts';
import { addressRecords, startOfAuthority } from './dns-table.ts';
import type { Forwarder } from './forwarder.ts';

export type DnsTransport = 'udp' | 'tcp';

export class DnsResolver {
  readonly config: DnsConfig;
  readonly stats: DnsStats;
  readonly #table: DnsTable;
  /** Null: nobody else is asked. */
  readonly #forwarder: Forwarder | null;

  constructor(config: DnsConfig, table: DnsTable, forwarder: Forwarder | null, stats: DnsStats) {
    this.config = config;
    this.stats = stats;
    this.#table = table;
    this.#forwarder = forwarder;
  }

  /** `reply` is called once, now or later, or never: some things are not answered. False: it will not be. */
  handle(bytes: Buffer, transport: DnsTransport, reply: (answer: Buffer) => void): boolean {
    const { stats } = this;
    stats.queries.value++;
    const query = readQuery(bytes);
    if (query === null) {
      stats.invalid.value++;
      return false;
    }
    const mostBytes = transport === 'tcp' ? mostTcpBytes : udpLimit(query.edns);
    const say = (by: AnsweredBy, answer: DnsAnswer): void => {
      stats.countAnswer(by, answer.rcode, transport);
      if (by === 'failed' || by === 'refused') stats.unanswered.value++;
      reply(writeAnswer(query, answer, this.#forwarder !== null, mostBytes));
    };
    if (isBad(query)) {
      stats.invalid.value++;
      say('refused', { rcode: query.rcode });
      return true;
    }
    const { name, type, class: questionClass } = query.question;
    stats.countQuestion(type);
    // Zone transfers, and what is of another class, as CHAOS, are nothing that we or a resolver behind us should tell.
    if (type === recordType.axfr || type === recordType.ixfr || questionClass !== internetClass) {
      say('refused', { rcode: rcode.refused });
      return true;
    }
    const entry = this.#table.find(name);
    if (entry !== null) {
      stats.knownDomain.value++;
      const answers = addressRecords(name, type, entry);
      for (const answer of answers) stats[answer.type === recordType.a ? 'localA' : 'localAaaa'].value++;
      const authorities = answers.length > 0 ? [] : [startOfAuthority(name, entry)];
      say('mesh', { rcode: rcode.ok, authoritative: true, answers, authorities });
      return true;
    }
    if (this.#forwarder === null) {
      say('mesh', { rcode: rcode.noSuchName });
      return true;
    }
    this.#forwarder.ask(query, transport === 'tcp', (result) => {
      if (result.kind === 'failed') {
        say('failed', { rcode: rcode.serverFailure, reason: { code: networkError, text: result.why } });
        return;
      }
      const { bytes: answer } = result;
      if (answer.length > mostBytes) {
        // A server that takes no notice of what we said we take.
        say('upstream', { rcode: rcode.ok, truncated: true });
        return;
      }
      stats.external.value++;
      stats.countAnswer('upstream', answer[3]! & 0xf, transport);
      reply(answer);
    });
    return true;
  }

  close(): void {
    this.#forwarder?.close();
  }
}

/** RFC 8914: Network Error. */
const networkError = 23;

function isBad(query: DnsQuery | BadQuery): query is BadQuery {
  return 'rcode' in query;
}
