/**
 * The key sets that RequestAuthentications name by file or URI: read, fetched, kept and looked at again. The last good one of each stays in force, over restarts too; one that was never had is not in the map, and
 * the policy then verifies with a key that nobody has.
 */
import type { Logger } from 'pino';
import { keySetFault } from '../config-kind/key-set-text.ts';
import type { KeySource } from '../config-kind/policy-resource.ts';
import type { Resource } from '../config-kind/resource.ts';
import type { KeySets } from '../model/build-policies.ts';
import { type FetchUrl, fetchKeySet } from './fetch-key-set.ts';
import type { LastGoodKeySets } from './last-good-key-sets.ts';

export interface KeySetStoreOptions {
  readonly fetchUrl: FetchUrl;
  /** The file's text; throws when it cannot be read. */
  readonly readFile: (file: string) => string;
  readonly after: (delayMs: number, callback: () => void) => () => void;
  readonly random: () => number;
  readonly log: Logger;
  /** What was good before this process, and where what is good now is kept for the next. */
  readonly lastGood: Pick<LastGoodKeySets, 'load' | 'save'>;
  /** Told when a set comes or changes; never from within `use`. */
  readonly onChange: () => void;
}

const timeoutMs = 5_000;
/** As Istio and Envoy do, give or take a tenth. */
const refreshMs = 5 * 60_000;
const firstRetryMs = 1_000;
const maxRetryMs = 60_000;
const fileIntervalMs = 5_000;
/** More are not fetched: configuration must not make a crawler of the control plane. */
const maxSources = 256;

export interface KeySetProblem {
  /** File or URI. */
  readonly source: string;
  readonly problem: string;
  /** What comes of it, in words. */
  readonly effect: string;
  /** Older keys are in force. */
  readonly hasKeys: boolean;
}

interface Entry {
  /** Null: not had yet. */
  text: string | null;
  /** '' : the last look was fine. */
  problem: string;
  failures: number;
  stop: () => void;
}

export class KeySetStore {
  readonly #options: KeySetStoreOptions;
  readonly #entries = new Map<string, Entry>();
  #resources: readonly Resource[] | null = null;
  #keySets: KeySets = new Map();
  /** From before this process; null until it is looked at. */
  #before: KeySets | null = null;

  constructor(options: KeySetStoreOptions) {
    this.#options = options;
  }

  /** By file or URI. The same map until something changes. */
  get keySets(): KeySets {
    return this.#keySets;
  }

  /** What is missing or old. */
  get problems(): readonly KeySetProblem[] {
    return [...this.#entries]
      .filter(([, { problem }]) => problem !== '')
      .map(([source, { problem, text }]) => ({ source, problem, effect: consequence(text), hasKeys: text !== null }));
  }

  /** Looks after what these resources name, and nothing else. Files are read at once. */
  use(resources: readonly Resource[]): void {
    if (resources === this.#resources) return;
    this.#resources = resources;
    const wanted = wantedSources(resources);
    for (const [name, entry] of this.#entries) {
      if (wanted.has(name)) continue;
      entry.stop();
      this.#entries.delete(name);
    }
    for (const [name, source] of wanted) {
      if (this.#entries.has(name)) continue;
      if (this.#entries.size >= maxSources) {
        this.#options.log.warn(`${name}: more than ${maxSources} key sets are named; this one is left out`);
        continue;
      }
      this.#before ??= this.#options.lastGood.load();
      const entry: Entry = { text: this.#before.get(name) ?? null, problem: '', failures: 0, stop: () => {} };
      this.#entries.set(name, entry);
      if (source.from === 'file') this.#readFile(name, entry);
      else this.#fetch(name, entry);
    }
    this.#publish(false);
  }

  close(): void {
    for (const { stop } of this.#entries.values()) stop();
    this.#entries.clear();
  }

  #readFile(file: string, entry: Entry): void {
    try {
      const text = this.#options.readFile(file);
      const fault = keySetFault(text);
      if (fault === null) this.#good(entry, text);
      else this.#bad(file, entry, `it ${fault}`);
    } catch (error) {
      this.#bad(file, entry, `it cannot be read: ${(error as Error).message}`);
    }
    entry.stop = this.#options.after(fileIntervalMs, () => {
      this.#readFile(file, entry);
      this.#publish(true);
    });
  }

  #fetch(uri: string, entry: Entry): void {
    const { fetchUrl, after, random } = this.#options;
    const abort = new AbortController();
    const stopTimeout = after(timeoutMs, () => abort.abort(new Error(`no whole answer within ${timeoutMs / 1000} s`)));
    let left = false;
    entry.stop = () => {
      left = true;
      stopTimeout();
      abort.abort();
    };
    const finish = (): void => {
      stopTimeout();
      const delayMs =
        entry.failures === 0 ? refreshMs : Math.min(maxRetryMs, firstRetryMs * 2 ** Math.min(entry.failures - 1, 16));
      entry.stop = after(delayMs * (0.9 + random() * 0.2), () => this.#fetch(uri, entry));
      this.#publish(true);
    };
    fetchKeySet(fetchUrl, uri, abort.signal).then(
      (text) => {
        if (left) return;
        this.#good(entry, text);
        finish();
      },
      (error: unknown) => {
        if (left) return;
        this.#bad(uri, entry, reasonOf(error, abort.signal));
        finish();
      },
    );
  }

  #good(entry: Entry, text: string): void {
    entry.text = text;
    entry.problem = '';
    entry.failures = 0;
  }

  /** Told once, not at every attempt. */
  #bad(source: string, entry: Entry, problem: string): void {
    entry.failures++;
    if (entry.problem !== problem) this.#options.log.warn(`keys of ${source}: ${problem}; ${consequence(entry.text)}`);
    entry.problem = problem;
  }

  #publish(tell: boolean): void {
    const now = new Map<string, string>();
    for (const [name, { text }] of this.#entries) if (text !== null) now.set(name, text);
    const same = now.size === this.#keySets.size && [...now].every(([name, text]) => this.#keySets.get(name) === text);
    if (same) return;
    this.#keySets = now;
    this.#options.lastGood.save(now);
    if (tell) this.#options.onChange();
  }
}

function consequence(text: string | null): string {
  return text === null
    ? 'until there are keys, every token of this issuer is refused'
    : 'the last good keys stay in force';
}

function wantedSources(resources: readonly Resource[]): Map<string, KeySource> {
  const wanted = new Map<string, KeySource>();
  for (const resource of resources) {
    if (resource.kind !== 'RequestAuthentication') continue;
    for (const { keys } of resource.rules) {
      if (keys.from === 'file') wanted.set(keys.file, keys);
      else if (keys.from === 'uri') wanted.set(keys.uri, keys);
    }
  }
  return wanted;
}

/** What `fetch` says is mostly in the cause of its error. */
function reasonOf(error: unknown, signal: AbortSignal): string {
  if (signal.aborted) return (signal.reason as Error).message;
  const { message, cause } = error as Error;
  return (cause instanceof Error && cause.message !== '' ? `${message}: ${cause.message}` : message).replace(
    /\s+/g,
    ' ',
  );
}
