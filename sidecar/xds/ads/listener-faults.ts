/**
 * Listeners that were accepted and could not be put to work: told in the log once, shown where refused updates are (/config_dump, CSDS), and refused by a NACK that follows the ACK,
 * and again by the answer to each later response, as long as it lasts.
 */
import type { Log } from '../../runtime/log.ts';
import type { TypeState } from './type-state.ts';

export interface ListenerFault {
  readonly listener: string;
  /** One line for the operator. */
  readonly message: string;
}

interface Standing {
  readonly message: string;
  /** What could not be put to work, decoded; undefined: it is not of xDS, or gone. */
  readonly value: unknown;
}

export class ListenerFaults {
  readonly #listeners: TypeState;
  readonly #log: Log;
  #standing: ReadonlyMap<string, Standing> = new Map();

  constructor(listeners: TypeState, log: Log) {
    this.#listeners = listeners;
    this.#log = log;
  }

  /** All that there are now. Says whether that is news. */
  set(faults: readonly ListenerFault[]): boolean {
    const before = this.#standing;
    const now = new Map<string, Standing>();
    let news = false;
    for (const { listener, message } of faults) {
      const value = this.#listeners.resources.get(listener)?.value;
      now.set(listener, { message, value });
      const known = before.get(listener);
      if (known?.message !== message) this.#log.error(message);
      news ||= known?.message !== message || known.value !== value;
    }
    for (const [name, { message }] of before) {
      if (now.has(name)) continue;
      news = true;
      if (this.#listeners.resources.has(name)) this.#log.info(`listener ${JSON.stringify(name)} could be made now`);
      if (this.#listeners.refused.get(name)?.details === message) this.#listeners.refused.delete(name);
    }
    this.#standing = now;
    return news;
  }

  /** Marks those whose resource is still the same as refused; gives the text of the NACK, or ''. */
  refuse(atWallMs: number): string {
    const lines: string[] = [];
    for (const [name, { message, value }] of this.#standing) {
      const resource = this.#listeners.resources.get(name);
      // Another one by now: what becomes of it is not known yet.
      if (resource === undefined || resource.value !== value) continue;
      // Its name stands before the colon.
      lines.push(`listener ${JSON.stringify(name)}: ${message.replace(` (listener ${JSON.stringify(name)})`, '')}`);
      if (this.#listeners.refused.get(name)?.details !== message)
        this.#listeners.refused.set(name, { version: resource.version, details: message, atWallMs });
    }
    return lines.join('\n');
  }
}
