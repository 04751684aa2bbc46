/** Requests of all sidecars as they end, to one who watches. Who reads slowly misses some, and is told how many; sidecars that come while it runs are asked too. */
import { toJson } from '@bufbuild/protobuf';
import { type Answer, RequestRecordSchema } from '../../proto/generated/outrigger/observe/v1/observe_pb.js';
import type { AttendingProxy } from './attending-proxy.ts';
import type { ObserveHub } from './observe-hub.ts';
import type { FilterInit } from './query-parameters.ts';

export interface TapWish {
  readonly filter: FilterInit;
  /** Records altogether, after which it is over. */
  readonly limit: number;
  readonly headers: boolean;
  readonly bodyBytes: number;
  /** What the reader is told first, as lines of their own. */
  readonly notes: readonly string[];
}

/** Where the lines go: an HTTP response. */
export interface TapReader {
  /** False: no more fits for now. */
  write(line: string): boolean;
  /** It is over: enough was shown, or no sidecar has more. */
  end(): void;
}

export class MeshTap {
  readonly #hub: ObserveHub;
  readonly #wish: TapWish;
  readonly #reader: TapReader;
  readonly #onOver: () => void;
  /** Of those that are not done. */
  readonly #stops = new Map<AttendingProxy, () => void>();
  readonly #unwatch: () => void;
  readonly #faults = new Set<string>();
  #left: number;
  #full = false;
  #dropped = 0n;
  #over = false;

  /** `onOver`: once. */
  constructor(hub: ObserveHub, wish: TapWish, reader: TapReader, onOver: () => void) {
    this.#hub = hub;
    this.#wish = wish;
    this.#reader = reader;
    this.#onOver = onOver;
    this.#left = wish.limit;
    for (const note of wish.notes) this.#write({ note });
    this.#unwatch = this.#hub.watch({
      onCome: (proxy) => this.#ask(proxy),
      onGone: (proxy) => this.#stops.delete(proxy),
    });
  }

  /** The reader has room again. */
  onDrain(): void {
    this.#full = false;
    this.#tellDropped();
  }

  /** The reader is gone, or it is over. */
  stop(): void {
    if (this.#over) return;
    this.#over = true;
    this.#unwatch();
    for (const stop of this.#stops.values()) stop();
    this.#stops.clear();
    this.#onOver();
  }

  #ask(proxy: AttendingProxy): void {
    const { filter, headers, bodyBytes, limit } = this.#wish;
    const stop = proxy.ask(
      { case: 'startTap', value: { filter, headers, bodyBytes, limit } },
      {
        onAnswer: (answer) => this.#take(proxy, answer),
        onGone: () => {
          // One that went away comes back, as a rule.
          if (!this.#over && this.#hub.proxies.has(proxy))
            this.#done(proxy, `too much is asked of ${proxy.nodeId} at once`);
        },
      },
    );
    this.#stops.set(proxy, stop);
  }

  #take(proxy: AttendingProxy, { requests, dropped, fault, done }: Answer): void {
    if (this.#over) return;
    this.#tellFault(fault);
    this.#dropped += dropped;
    this.#tellDropped();
    for (const record of requests) {
      if (this.#full) this.#dropped++;
      else if (this.#left > 0) {
        this.#left--;
        this.#write(toJson(RequestRecordSchema, record));
      }
    }
    if (this.#left === 0) this.#end();
    else if (done) this.#done(proxy, '');
  }

  #done(proxy: AttendingProxy, fault: string): void {
    this.#tellFault(fault);
    this.#stops.delete(proxy);
    if (this.#stops.size === 0) this.#end();
  }

  #end(): void {
    // Whether or not there is room: nothing comes behind it.
    this.#full = false;
    this.#tellDropped();
    this.stop();
    this.#reader.end();
  }

  #tellFault(fault: string): void {
    if (fault === '' || this.#faults.has(fault)) return;
    this.#faults.add(fault);
    this.#write({ fault });
  }

  #tellDropped(): void {
    if (this.#full || this.#dropped === 0n) return;
    const dropped = Number(this.#dropped);
    this.#dropped = 0n;
    this.#write({ dropped });
  }

  #write(line: unknown): void {
    if (!this.#reader.write(`${JSON.stringify(line)}\n`)) this.#full = true;
  }
}
