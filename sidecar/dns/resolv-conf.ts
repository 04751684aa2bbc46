/** The machine's own name servers, from /etc/resolv.conf. Read again, not in a caller's way, when it changed. */
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import type { SocketAddress } from '../config/listener-config.ts';
import type { Clock } from '../runtime/clock.ts';

/** What the C library takes. */
const mostServers = 3;
const keepMs = 5_000;

/** Without one it is this machine, as for the C library (resolv.conf(5)). */
export function nameServers(text: string): readonly SocketAddress[] {
  const found: SocketAddress[] = [];
  for (const line of text.split('\n')) {
    const address = /^nameserver[ \t]+([^ \t#;]+)/.exec(line.trim())?.[1] ?? '';
    if (isIP(address) !== 0 && found.length < mostServers) found.push({ host: address, port: 53 });
  }
  return found.length === 0 ? [{ host: '127.0.0.1', port: 53 }] : found;
}

export class SystemResolvers {
  readonly #clock: Clock;
  readonly #path: string;
  #servers: readonly SocketAddress[];
  #readMs: number;
  #reading = false;

  constructor(clock: Clock, path = '/etc/resolv.conf') {
    this.#clock = clock;
    this.#path = path;
    let text = '';
    try {
      text = readFileSync(path, 'utf8');
    } catch {
      // As an empty one.
    }
    this.#servers = nameServers(text);
    this.#readMs = clock.nowMs();
  }

  /** At most a few seconds old when questions come often; else those of the question before. */
  get servers(): readonly SocketAddress[] {
    const now = this.#clock.nowMs();
    if (!this.#reading && now - this.#readMs >= keepMs) {
      this.#reading = true;
      void this.#read();
    }
    return this.#servers;
  }

  async #read(): Promise<void> {
    try {
      this.#servers = nameServers(await readFile(this.#path, 'utf8'));
    } catch {
      // It is being written anew: those that are known go on.
    }
    this.#readMs = this.#clock.nowMs();
    this.#reading = false;
  }
}
