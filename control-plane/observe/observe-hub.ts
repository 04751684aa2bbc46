/** All sidecars that attend. Asks them together, within a time: who does not answer by then is silent, and the others' answers count. */
import type { Answer } from '../../proto/generated/outrigger/observe/v1/observe_pb.js';
import { servicesByAccount } from './account-services.ts';
import type { AttendingProxy, QueryInit } from './attending-proxy.ts';

export interface Gathered {
  readonly answers: readonly Answer[];
  /** Whose each of them is. */
  readonly from: readonly AttendingProxy[];
  /** Node ids of those that did not answer, or not to the end; sorted. */
  readonly silent: readonly string[];
  /** What they said of why they cannot, each once. */
  readonly faults: readonly string[];
}

export interface HubWatcher {
  onCome(proxy: AttendingProxy): void;
  onGone(proxy: AttendingProxy): void;
}

/** Altogether, and of one identity: a proxy has one stream, and two for a moment when it moves. */
const mostProxies = 20_000;
const mostOfOneIdentity = 2_048;
/** Records that one gathering takes, from all together. */
const mostRecords = 20_000;

export class ObserveHub {
  readonly #after: (delayMs: number, callback: () => void) => () => void;
  readonly #proxies = new Set<AttendingProxy>();
  readonly #byIdentity = new Map<string, number>();
  readonly #watchers = new Set<HubWatcher>();
  /** Null: somebody came or went since. */
  #serviceOf: ((account: string) => string) | null = null;

  constructor(after: (delayMs: number, callback: () => void) => () => void) {
    this.#after = after;
  }

  get proxies(): ReadonlySet<AttendingProxy> {
    return this.#proxies;
  }

  /** The service of a caller's account; see account-services.ts. */
  serviceOf(account: string): string {
    this.#serviceOf ??= servicesByAccount(this.#proxies);
    return this.#serviceOf(account);
  }

  /** Why it is not taken; '': it is. */
  add(proxy: AttendingProxy): string {
    const ofIdentity = this.#byIdentity.get(proxy.identity) ?? 0;
    if (this.#proxies.size >= mostProxies) return 'too many proxies attend';
    if (proxy.identity !== '' && ofIdentity >= mostOfOneIdentity)
      return `${proxy.identity} attends too many times at once`;
    this.#proxies.add(proxy);
    this.#serviceOf = null;
    this.#byIdentity.set(proxy.identity, ofIdentity + 1);
    for (const watcher of this.#watchers) watcher.onCome(proxy);
    return '';
  }

  /** Only of one that was taken. */
  remove(proxy: AttendingProxy): void {
    this.#proxies.delete(proxy);
    this.#serviceOf = null;
    const left = this.#byIdentity.get(proxy.identity)! - 1;
    if (left === 0) this.#byIdentity.delete(proxy.identity);
    else this.#byIdentity.set(proxy.identity, left);
    proxy.gone();
    for (const watcher of this.#watchers) watcher.onGone(proxy);
  }

  /** Hears of those that are there already, and of all that come and go. The returned function ends it. */
  watch(watcher: HubWatcher): () => void {
    this.#watchers.add(watcher);
    for (const proxy of this.#proxies) watcher.onCome(proxy);
    return () => this.#watchers.delete(watcher);
  }

  /** `of`: only these; default: all. */
  gather(query: QueryInit, deadlineMs: number, of: Iterable<AttendingProxy> = this.#proxies): Promise<Gathered> {
    const asked = [...of];
    const answers: Answer[] = [];
    const from: AttendingProxy[] = [];
    const silent: string[] = [];
    const faults = new Set<string>();
    let records = 0;
    return new Promise((resolve) => {
      const open = new Map<AttendingProxy, () => void>();
      let stopDeadline = (): void => {};
      const finish = (): void => {
        stopDeadline();
        for (const [{ nodeId }, stop] of open) {
          stop();
          silent.push(nodeId);
        }
        open.clear();
        resolve({ answers, from, silent: silent.sort(), faults: [...faults] });
      };
      const settle = (proxy: AttendingProxy): void => {
        if (open.delete(proxy) && open.size === 0) finish();
      };
      for (const proxy of asked) open.set(proxy, () => {});
      if (open.size === 0) {
        finish();
        return;
      }
      stopDeadline = this.#after(deadlineMs, finish);
      for (const proxy of asked) {
        const stop = proxy.ask(query, {
          onAnswer: (answer) => {
            if (!open.has(proxy)) return;
            if (answer.fault !== '') faults.add(answer.fault);
            records += answer.requests.length;
            if (records <= mostRecords) {
              answers.push(answer);
              from.push(proxy);
            }
            if (answer.done) settle(proxy);
          },
          onGone: () => {
            if (!open.has(proxy)) return;
            silent.push(proxy.nodeId);
            settle(proxy);
          },
        });
        if (open.has(proxy)) open.set(proxy, stop);
      }
    });
  }
}
