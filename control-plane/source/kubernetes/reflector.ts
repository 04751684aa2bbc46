/**
 * Keeps what the API server has of one kind: lists it, page by page, and then watches it from there on. Whatever happens, what was known last stays until something better is known.
 *
 *   listing ──all pages──▶ watching ──ended in order──▶ watching, from the last version
 *      ▲  └──fault──▶ waiting ◀──fault── │                    (bookmarks keep that version young)
 *      │                 └──▶ whichever it was            │
 *      └───────────── 410: the version is not kept any more ◀──┘
 *
 * Each wait is longer than the one before (500 ms to 30 s, with jitter); one watch that brings something makes it short again. All is listed again every half an hour, against whatever was missed.
 */

import type { Call } from './api-client.ts';
import { ApiFault, ApiGarbage, isRefusal } from './api-fault.ts';
import { field, textOf } from './object-fields.ts';
import { collectionPath, type Kept, type WatchedKind } from './watched-kind.ts';

/** What of ApiClient is used. */
export interface ListAndWatch {
  call(call: Call): Promise<unknown>;
  watch(path: string, onLine: (line: string) => void, onOpen: () => void): Promise<void>;
}

export interface ReflectorOptions<T extends Kept> {
  readonly kind: WatchedKind<T>;
  readonly client: ListAndWatch;
  readonly after: (delayMs: number, callback: () => void) => () => void;
  readonly nowMs: () => number;
  readonly random: () => number;
  /** Keys that changed, after the items did. Also once, with all of them, after the first list. */
  readonly onChange: (keys: ReadonlySet<string>) => void;
  /** Null: all is well (again). */
  readonly onFault: (fault: unknown) => void;
  /** An object that could not be read is left out; the others count. */
  readonly onBadObject: (message: string) => void;
}

const pageSize = 500;
const firstWaitMs = 500;
const longestWaitMs = 30_000;
/** Of a kind that is not there: somebody may install it. */
const absentWaitMs = 5_000;
/** At most, once another kind has heard from an API server that was away. */
const hurryMs = 1_000;
/** A watch is ended by the server after so long (and up to as much again), so that load spreads over API servers. */
const watchSeconds = 300;
const relistMs = 30 * 60_000;
/** One that has just started answers before it has read its own roles: it refuses everybody (403) for so long at most. */
const startMs = 10_000;
/** One that ends sooner without anything was no watch. */
const shortWatchMs = 1_000;
/** One that lasted so long worked, also when nothing has changed. */
const longWatchMs = 5_000;

export class Reflector<T extends Kept> {
  readonly #options: ReflectorOptions<T>;
  #items = new Map<string, T>();
  /** Where a watch goes on; null: list first. */
  #version: string | null = null;
  #listedMs = 0;
  #synced = false;
  /** In a row. A list alone ends no row: it may be that no watch works. */
  #failures = 0;
  /** When the last watch began. */
  #watchedMs = Infinity;
  #faulty = false;
  #closed = false;
  #endWait: (() => void) | null = null;
  /** It waits because the API server did not answer as it should. */
  #waitsForServer = false;
  /** Until when a refusal may be that of an API server which has just started; Infinity: it has not answered yet. */
  #startsUntilMs = 0;

  constructor(options: ReflectorOptions<T>) {
    this.#options = options;
  }

  get items(): ReadonlyMap<string, T> {
    return this.#items;
  }

  /** It has been listed once, or there is no such kind. */
  get synced(): boolean {
    return this.#synced;
  }

  /** Resolves when it was closed. */
  async run(): Promise<void> {
    while (!this.#closed) {
      try {
        if (this.#version === null) await this.#list();
        await this.#watch();
      } catch (error) {
        if (this.#closed) return;
        await this.#onError(error);
      }
    }
  }

  /** The API server answers others again: a long wait becomes a short one. */
  hurry(): void {
    if (!this.#waitsForServer) return;
    this.#waitsForServer = false;
    this.#options.after(hurryMs * this.#options.random(), () => this.#endWait?.());
  }

  /** Whoever owns the client ends the calls. */
  close(): void {
    this.#closed = true;
    this.#endWait?.();
  }

  async #list(): Promise<void> {
    const { kind, client } = this.#options;
    const items = new Map<string, T>();
    let next = '';
    let version = '';
    do {
      const query = new URLSearchParams({ limit: String(pageSize) });
      if (kind.fieldSelector !== '') query.set('fieldSelector', kind.fieldSelector);
      if (next !== '') query.set('continue', next);
      const page = await client.call({ method: 'GET', path: `${collectionPath(kind)}?${query}` });
      if (this.#closed) return;
      const list = field(page, 'items');
      if (list !== null && !Array.isArray(list)) throw new ApiGarbage(`a list of ${kind.plural} has no items`);
      for (const object of list ?? []) {
        const kept = this.#keep(object);
        // As it was: whatever is made of it can stay as it is.
        if (kept !== null && kept !== undefined) items.set(kept.key, sameVersion(this.#items.get(kept.key), kept));
      }
      const metadata = field(page, 'metadata');
      version = textOf(field(metadata, 'resourceVersion'));
      next = textOf(field(metadata, 'continue'));
    } while (next !== '');
    if (version === '') throw new ApiGarbage(`a list of ${kind.plural} has no resourceVersion`);
    const changed = new Set<string>();
    for (const [key, item] of items) if (this.#items.get(key) !== item) changed.add(key);
    for (const key of this.#items.keys()) if (!items.has(key)) changed.add(key);
    this.#items = items;
    this.#version = version;
    this.#listedMs = this.#options.nowMs() + this.#options.random() * relistMs * 0.2;
    this.#well();
    const first = !this.#synced;
    this.#synced = true;
    if (first || changed.size > 0) this.#options.onChange(changed);
  }

  async #watch(): Promise<void> {
    const { kind, client, nowMs, random } = this.#options;
    const query = new URLSearchParams({
      watch: '1',
      allowWatchBookmarks: 'true',
      resourceVersion: this.#version!,
      timeoutSeconds: String(Math.round(watchSeconds * (1 + random()))),
    });
    if (kind.fieldSelector !== '') query.set('fieldSelector', kind.fieldSelector);
    const startedMs = nowMs();
    this.#watchedMs = startedMs;
    let events = 0;
    await client.watch(
      `${collectionPath(kind)}?${query}`,
      (line) => {
        if (this.#closed) return;
        this.#onEvent(line);
        events++;
        this.#failures = 0;
      },
      () => this.#well(),
    );
    if (nowMs() - this.#listedMs >= relistMs) this.#version = null;
    if (events === 0 && nowMs() - startedMs < shortWatchMs) throw new Error('a watch ended at once');
    this.#failures = 0;
  }

  #onEvent(line: string): void {
    const { kind } = this.#options;
    let event: unknown;
    try {
      event = JSON.parse(line);
    } catch {
      throw new ApiGarbage(`an event of the watch of ${kind.plural} is not JSON`);
    }
    const object = field(event, 'object');
    const type = field(event, 'type');
    if (type === 'ERROR')
      throw new ApiFault(
        Number(field(object, 'code')) || 500,
        textOf(field(object, 'reason')),
        textOf(field(object, 'message')),
      );
    const version = textOf(field(field(object, 'metadata'), 'resourceVersion'));
    if (version === '') throw new ApiGarbage(`an event of the watch of ${kind.plural} has no resourceVersion`);
    if (type === 'BOOKMARK') {
      this.#version = version;
      return;
    }
    if (type !== 'ADDED' && type !== 'MODIFIED' && type !== 'DELETED')
      throw new ApiGarbage(`a watch of ${kind.plural} has an event of type ${JSON.stringify(type)}`);
    this.#version = version;
    const kept = this.#keep(object);
    if (type === 'DELETED' || kept === null) {
      // What it says by now may be nothing to us any more, or nothing that can be read: it goes by its name.
      const metadata = field(object, 'metadata');
      const key = kept?.key ?? `${textOf(field(metadata, 'namespace'))}/${textOf(field(metadata, 'name'))}`;
      if (this.#items.delete(key)) this.#options.onChange(new Set([key]));
      return;
    }
    // It cannot be read: what it said before stays in force.
    if (kept === undefined) return;
    if (this.#items.get(kept.key)?.version === kept.version) return;
    this.#items.set(kept.key, kept);
    this.#options.onChange(new Set([kept.key]));
  }

  /** Null: it is nothing to us; undefined: it cannot be read. */
  #keep(object: unknown): T | null | undefined {
    const { kind, onBadObject } = this.#options;
    try {
      return kind.keep(object);
    } catch (error) {
      onBadObject(`${kind.plural}: ${(error as Error).message}`);
      return undefined;
    }
  }

  async #onError(error: unknown): Promise<void> {
    const { kind, random, onFault, onChange } = this.#options;
    const isAnswer = isRefusal(error);
    if (this.#options.nowMs() - this.#watchedMs >= longWatchMs) this.#failures = 0;
    this.#watchedMs = Infinity;
    if (error instanceof ApiFault && error.isExpired) {
      this.#version = null;
      // As ever after an outage: not worth a word, and not worth a wait, unless it comes again and again.
      if (this.#failures++ === 0) return;
    } else if (error instanceof ApiFault && error.status === 404 && kind.optional) {
      this.#version = null;
      const gone = new Set(this.#items.keys());
      this.#items = new Map();
      const first = !this.#synced;
      this.#synced = true;
      this.#faulty = true;
      onFault(error);
      if (first || gone.size > 0) onChange(gone);
      await this.#wait(absentWaitMs * (1 + random()));
      return;
    } else if (isAnswer && error.status === 403 && this.#isStarting()) {
      this.#waitsForServer = error.retryAfterMs === 0;
      await this.#wait(Math.max(error.retryAfterMs, hurryMs * (1 + random())));
      this.#waitsForServer = false;
      return;
    } else {
      if (!isAnswer) this.#startsUntilMs = Infinity;
      this.#failures++;
      // A watch that is cut once is nothing: load balancers do it.
      if (isAnswer || this.#version === null || this.#failures > 1) {
        this.#faulty = true;
        onFault(error);
        if (this.#closed) return;
      }
    }
    const waitMs = Math.min(longestWaitMs, firstWaitMs * 2 ** Math.min(this.#failures - 1, 10));
    const askedMs = error instanceof ApiFault ? error.retryAfterMs : 0;
    this.#waitsForServer = !isAnswer && askedMs === 0;
    await this.#wait(Math.max(askedMs, waitMs * (0.5 + random() / 2)));
    this.#waitsForServer = false;
  }

  /** Asked when the API server refuses: whether that is a word of its start, and so part of the outage. */
  #isStarting(): boolean {
    const nowMs = this.#options.nowMs();
    if (this.#startsUntilMs === Infinity) this.#startsUntilMs = nowMs + startMs;
    return nowMs < this.#startsUntilMs;
  }

  #well(): void {
    this.#startsUntilMs = 0;
    if (!this.#faulty) return;
    this.#faulty = false;
    this.#options.onFault(null);
  }

  #wait(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#options.after(delayMs, resolve);
      this.#endWait = () => {
        cancel();
        resolve();
      };
    });
  }
}

function sameVersion<T extends Kept>(before: T | undefined, now: T): T {
  return before !== undefined && before.version === now.version ? before : now;
}
