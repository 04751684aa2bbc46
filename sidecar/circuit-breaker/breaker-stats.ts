/** Statistics of one circuit breaker, at `/stats` and for Prometheus: `outrigger_circuit_breaker_…{scope,name}`. */
import type { Counter, Gauge, StatStore } from '../stats/stat-store.ts';
import type { BreakerCounts, BreakerState } from './circuit-breaker.ts';

export type BreakerScope = 'cluster' | 'route';

const stateValues: Readonly<Record<BreakerState, number>> = { closed: 0, 'half-open': 1, open: 2 };
const familyPrefix = 'outrigger_circuit_breaker_';

export class BreakerStats implements BreakerCounts {
  readonly calls: Counter;
  readonly failures: Counter;
  readonly slow: Counter;
  readonly refused: Counter;
  readonly #state: Gauge;
  readonly #forced: Gauge;
  readonly #transitions: Readonly<Record<BreakerState, Counter>>;

  constructor(store: StatStore, scope: BreakerScope, name: string) {
    const labels = { scope, name };
    const counter = (stat: string, more = {}): Counter =>
      store.counter(`outrigger.circuit_breaker.${stat}`, `${familyPrefix}${stat}_total`, { ...labels, ...more });
    const gauge = (stat: string): Gauge =>
      store.gauge(`outrigger.circuit_breaker.${stat}`, `${familyPrefix}${stat}`, labels);
    this.calls = counter('calls');
    this.failures = counter('failures');
    this.slow = counter('slow_calls');
    this.refused = counter('refused');
    this.#state = gauge('state');
    this.#forced = gauge('forced');
    this.#transitions = {
      closed: counter('transitions', { to: 'closed' }),
      'half-open': counter('transitions', { to: 'half_open' }),
      open: counter('transitions', { to: 'open' }),
    };
  }

  /** 0 closed, 1 half open, 2 open. `forced`: by an operator. */
  show(state: BreakerState, forced: boolean): void {
    this.#state.value = stateValues[state];
    this.#forced.value = forced ? 1 : 0;
  }

  /** Times that it opened. */
  get opened(): number {
    return this.#transitions.open.value;
  }

  countTransition(to: BreakerState): void {
    this.#transitions[to].value++;
  }

  static remove(store: StatStore, scope: BreakerScope, name: string): void {
    store.remove(
      ({ family, labels }) =>
        family !== null && family.startsWith(familyPrefix) && labels['scope'] === scope && labels['name'] === name,
    );
  }
}
