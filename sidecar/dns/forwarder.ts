/** Questions that others have to answer: which servers, how many at once, who waits for which. */
import { randomInt } from 'node:crypto';
import type { DnsUpstreamConfig } from '../config/dns-config.ts';
import type { SocketAddress } from '../config/listener-config.ts';
import type { Clock } from '../runtime/clock.ts';
import type { TimerWheel } from '../runtime/timer-wheel.ts';
import { headerBytes } from './dns-message.ts';
import { type DnsQuery, udpLimit } from './dns-query.ts';
import type { DnsStats } from './dns-stats.ts';
import { SystemResolvers } from './resolv-conf.ts';
import { type LookupResult, UpstreamLookup } from './upstream-lookup.ts';

export interface ForwarderOptions {
  readonly config: DnsUpstreamConfig;
  /** Is that address this very listener? To ask it would go round in a circle. */
  readonly isSelf: (address: SocketAddress) => boolean;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly stats: DnsStats;
  /** For tests: another /etc/resolv.conf. */
  readonly resolvConf?: string;
}

type Waiter = (result: LookupResult) => void;

export class Forwarder {
  readonly #options: ForwarderOptions;
  readonly #system: SystemResolvers | null;
  /** By everything that makes a difference to the answer. Several for one question would make it easier to forge its answer (RFC 5452, 5). */
  readonly #lookups = new Map<string, { readonly lookup: UpstreamLookup; readonly waiting: Waiter[] }>();
  #waiting = 0;
  /** The server that did its work last comes first. */
  #preferred = '';

  constructor(options: ForwarderOptions) {
    this.#options = options;
    this.#system = options.config.resolvers === null ? new SystemResolvers(options.clock, options.resolvConf) : null;
  }

  /** `whole`: an answer of any size is taken. `done` is called once, later: with the server's message, under the caller's id and with the name as the caller wrote it. */
  ask(query: DnsQuery, whole: boolean, done: Waiter): void {
    const { config, stats, wheel } = this.#options;
    const servers = this.#servers();
    if (servers.length === 0) {
      done({ kind: 'failed', why: 'the only name server is this resolver itself' });
      return;
    }
    if (this.#waiting >= config.maxPending) {
      stats.overflow.value++;
      done({ kind: 'failed', why: `${config.maxPending} questions are under way already (max_pending_lookups)` });
      return;
    }
    this.#count(1);
    const waiter: Waiter = (result) => {
      this.#count(-1);
      done(result.kind === 'failed' ? result : { kind: 'answer', bytes: readdressed(result.bytes, query) });
    };
    const key = lookupKey(query, whole);
    const there = this.#lookups.get(key);
    if (there !== undefined) {
      there.waiting.push(waiter);
      return;
    }
    const waiting = [waiter];
    const lookup = new UpstreamLookup({
      ...{ query, servers, whole, wheel },
      rounds: 1 + config.retries,
      timeoutMs: config.timeoutMs,
      tcpOnly: config.tcpOnly,
      randomId: () => randomInt(65_536),
      onServerFailed: ({ host, port }, why) => {
        stats.countServerFailure(why);
        const next = servers.findIndex((each) => each.host === host && each.port === port) + 1;
        const { host: nextHost, port: nextPort } = servers[next % servers.length]!;
        this.#preferred = `${nextHost} ${nextPort}`;
      },
      onForeign: () => stats.foreign.value++,
      onDone: (result) => {
        this.#lookups.delete(key);
        for (const each of waiting) each(result);
      },
    });
    this.#lookups.set(key, { lookup, waiting });
    lookup.start();
  }

  /** Nobody is answered any more. */
  close(): void {
    for (const { lookup, waiting } of this.#lookups.values()) {
      lookup.abandon();
      this.#count(-waiting.length);
    }
    this.#lookups.clear();
  }

  #count(by: number): void {
    this.#waiting += by;
    this.#options.stats.pending.value += by;
  }

  #servers(): readonly SocketAddress[] {
    const { config, isSelf } = this.#options;
    const all = (config.resolvers ?? this.#system!.servers).filter((each) => !isSelf(each));
    const first = all.findIndex(({ host, port }) => `${host} ${port}` === this.#preferred);
    return first <= 0 ? all : [...all.slice(first), ...all.slice(0, first)];
  }
}

function lookupKey({ question, flags, edns }: DnsQuery, whole: boolean): string {
  const { name, type, class: questionClass } = question;
  const said = edns === null ? '' : `${udpLimit(edns)} ${edns.dnssecOk}`;
  return `${name.key} ${type} ${questionClass} ${flags & 0x0130} ${said} ${whole}`;
}

/** The name has the same length in whatever case, and a question's name is never compressed: nothing stands before it. */
function readdressed(answer: Buffer, { id, question }: DnsQuery): Buffer {
  const bytes = Buffer.from(answer);
  bytes.writeUInt16BE(id, 0);
  question.name.wire.copy(bytes, headerBytes);
  return bytes;
}
