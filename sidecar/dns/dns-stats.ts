/** Statistics of a DNS listener: Envoy's names of its dns_filter, and ours for Prometheus. No name that was asked for becomes a label. */
import type { Counter, Gauge, StatStore } from '../stats/stat-store.ts';
import { recordType } from './dns-message.ts';

export type AnsweredBy = 'mesh' | 'upstream' | 'refused' | 'failed';

const rcodeNames: Readonly<Record<number, string>> = {
  0: 'NOERROR',
  1: 'FORMERR',
  2: 'SERVFAIL',
  3: 'NXDOMAIN',
  4: 'NOTIMP',
  5: 'REFUSED',
  16: 'BADVERS',
};

export class DnsStats {
  readonly #store: StatStore;
  readonly prefix: string;
  readonly queries: Counter;
  readonly invalid: Counter;
  readonly aQueries: Counter;
  readonly aaaaQueries: Counter;
  readonly unsupported: Counter;
  readonly knownDomain: Counter;
  readonly localA: Counter;
  readonly localAaaa: Counter;
  readonly external: Counter;
  readonly unanswered: Counter;
  readonly responses: Counter;
  readonly overflow: Counter;
  readonly foreign: Counter;
  readonly pending: Gauge;
  readonly connections: Gauge;

  constructor(store: StatStore, statPrefix: string) {
    this.#store = store;
    this.prefix = `dns_filter.${statPrefix}.`;
    const counter = (name: string): Counter => store.counter(`${this.prefix}${name}`);
    this.queries = counter('downstream_rx_queries');
    this.invalid = counter('downstream_rx_invalid_queries');
    this.aQueries = counter('a_record_queries');
    this.aaaaQueries = counter('aaaa_record_queries');
    this.unsupported = counter('unsupported_queries');
    this.knownDomain = counter('known_domain_queries');
    this.localA = counter('local_a_record_answers');
    this.localAaaa = counter('local_aaaa_record_answers');
    this.external = counter('externally_resolved_queries');
    this.unanswered = counter('unanswered_queries');
    this.responses = counter('downstream_tx_responses');
    const listener = { listener: statPrefix };
    this.overflow = store.counter(`${this.prefix}outrigger_overflow`, 'outrigger_dns_overflow_total', listener);
    this.foreign = store.counter(
      `${this.prefix}outrigger_foreign_answers`,
      'outrigger_dns_foreign_answers_total',
      listener,
    );
    this.pending = store.gauge(`${this.prefix}outrigger_pending`, 'outrigger_dns_pending', listener);
    this.connections = store.gauge(`${this.prefix}outrigger_connections`, 'outrigger_dns_connections', listener);
  }

  countQuestion(type: number): void {
    if (type === recordType.a) this.aQueries.value++;
    else if (type === recordType.aaaa) this.aaaaQueries.value++;
    else this.unsupported.value++;
  }

  countAnswer(by: AnsweredBy, code: number, transport: 'udp' | 'tcp'): void {
    this.responses.value++;
    const labels = { by, code: rcodeNames[code] ?? 'other', transport };
    this.#store.counter(`${this.prefix}outrigger_answers`, 'outrigger_dns_answers_total', labels).value++;
  }

  countServerFailure(why: string): void {
    const reason = why.startsWith('it does not')
      ? 'timeout'
      : why.startsWith('it answers')
        ? 'code'
        : why.startsWith('it ')
          ? 'protocol'
          : 'network';
    this.#store.counter(`${this.prefix}outrigger_server_failures`, 'outrigger_dns_server_failures_total', { reason })
      .value++;
  }
}
