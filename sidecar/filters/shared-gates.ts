/**
 * Gates that count what is under way in front of an application: connection managers of one listener whose configuration says the same share them, such as those for mTLS and for plaintext, and an update
 * of the listener that says nothing else of them leaves them, and what they have learned, as they are.
 */
import type { Configuration } from '../config/configuration.ts';
import type { GateConfig } from '../config/gate-config.ts';
import type { InboundLimitsConfig } from '../config/inbound-limits-config.ts';
import { bulkheadFamily, hasLimit } from '../config/limit-scope.ts';
import type { StatStore } from '../stats/stat-store.ts';
import type { LazyGate } from './lazy-gate.ts';

export class SharedGates {
  readonly #stats: StatStore;
  readonly #byKey = new Map<string, LazyGate>();

  constructor(stats: StatStore) {
    this.#stats = stats;
  }

  /** `gates`: of the connection manager; `at`: the one that is meant. */
  get(listener: string, gates: readonly GateConfig[], at: number, make: () => LazyGate): LazyGate {
    const key = keyOf(listener, gates, at);
    let gate = this.#byKey.get(key);
    if (gate === undefined) this.#byKey.set(key, (gate = make()));
    return gate;
  }

  /** Those that the configuration does not name any more go; requests that have one keep it. */
  retain(configuration: Configuration): void {
    if (this.#byKey.size === 0) return;
    const wanted = new Set<string>();
    const limits: InboundLimitsConfig[] = [];
    for (const { value } of configuration.listeners.values()) {
      const { filterChains, defaultFilterChain } = value;
      for (const chain of defaultFilterChain === null ? filterChains : [...filterChains, defaultFilterChain]) {
        const gates = chain.httpConnectionManager?.gates ?? [];
        for (const [at, gate] of gates.entries()) {
          if (isShared(gate)) wanted.add(keyOf(value.name, gates, at));
          if (gate.kind === 'inbound-limits') limits.push(gate);
        }
      }
    }
    let gone = false;
    for (const key of this.#byKey.keys()) {
      if (wanted.has(key)) continue;
      this.#byKey.delete(key);
      gone = true;
    }
    if (gone)
      this.#stats.remove(
        ({ family, labels }) =>
          family !== null &&
          family.startsWith(bulkheadFamily) &&
          !limits.some((each) => hasLimit(each, labels['scope'] ?? '', labels['name'] ?? '')),
      );
  }
}

export function isShared({ kind }: GateConfig): boolean {
  return kind === 'inbound-limits' || kind === 'adaptive-concurrency';
}

/** Limits know the adaptive concurrency filter behind them. */
function keyOf(listener: string, gates: readonly GateConfig[], at: number): string {
  const config = gates[at]!;
  const behind = config.kind === 'inbound-limits' ? adaptiveBehind(gates, at) : undefined;
  return JSON.stringify([listener, config, behind]);
}

/** The adaptive concurrency filter behind the one at `at`. */
export function adaptiveBehind(
  gates: readonly GateConfig[],
  at: number,
): Extract<GateConfig, { kind: 'adaptive-concurrency' }> | undefined {
  for (const gate of gates.slice(at + 1)) if (gate.kind === 'adaptive-concurrency') return gate;
  return undefined;
}
