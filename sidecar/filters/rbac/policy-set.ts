/**
 * The policies of one set of rules, compiled, and which of them is the first to match a request. What a policy says of the connection is settled once per kind of connection (callers of one
 * service are alike), so that a request meets only the policies that its connection can fulfil, and of those only the ones that its path and headers can. Not at once: it costs as much as some
 * hundred requests without it, and must not be had for the price of a new connection.
 *
 *   policies ─▶ looked up by the caller's names ─▶ settled ─▶ index of this kind of connection ─┐
 *       └──── those that do not look at the connection ────▶ index shared by all ───────────────┴─▶ the first that holds
 */
import type { RbacRulesConfig } from '../../config/rbac-config.ts';
import { type ConnectionFact, collectFacts, compilePolicy, settle } from './compiled-rule.ts';
import type { ConnectionFacts, RequestView } from './request-view.ts';
import { type NumberedRule, RuleIndex } from './rule-index.ts';

/** So many settled policies, and kinds of connections, are kept for connections that come again; the oldest kinds go first. */
const mostKept = 20_000;

/** A kind is settled when it has had so many requests. */
const usualSettleFrom = 64;

/** Connections of which the policies see the same. */
interface Kind {
  readonly key: string;
  requests: number;
  /** Null until it is settled. */
  index: RuleIndex | null;
}

export class PolicySet {
  readonly action: RbacRulesConfig['action'];
  readonly names: readonly string[];
  readonly #shared: RuleIndex;
  readonly #ofConnections: RuleIndex;
  readonly #facts = new Set<ConnectionFact>();
  readonly #kinds = new Map<string, Kind>();
  #kept = 0;
  readonly #byConnection = new WeakMap<ConnectionFacts, Kind>();
  readonly #settledFrom: number;

  /** `settleFrom`: how many requests of a kind go by before it is settled. */
  constructor(config: RbacRulesConfig, settleFrom: number = usualSettleFrom) {
    this.#settledFrom = settleFrom;
    this.action = config.action;
    this.names = config.policies.map(({ name }) => name);
    const shared: NumberedRule[] = [];
    const ofConnections: NumberedRule[] = [];
    for (const [number, policy] of config.policies.entries()) {
      const rule = compilePolicy(policy, config.action === 'deny');
      const facts = new Set<ConnectionFact>();
      collectFacts(rule, facts);
      for (const fact of facts) this.#facts.add(fact);
      (facts.size > 0 ? ofConnections : shared).push({ number, rule });
    }
    this.#shared = new RuleIndex(shared, 'request');
    this.#ofConnections = new RuleIndex(ofConnections, 'connection');
  }

  /** The number of the first policy that matches; -1: none does. */
  match(view: RequestView): number {
    const own = this.#ofConnections.size === 0 ? -1 : this.#own(view);
    const shared = this.#shared.first(view, own < 0 ? Infinity : own);
    return shared < 0 ? own : shared;
  }

  /** Of those that look at the connection. */
  #own(view: RequestView): number {
    const kind = this.#kindOf(view.connection);
    if (kind.index === null) {
      if (kind.requests++ < this.#settledFrom) return this.#ofConnections.first(view, Infinity);
      kind.index = this.#settle(view);
      if (this.#kinds.get(kind.key) === kind) this.#keep(kind.index.size);
    }
    return kind.index.first(view, Infinity);
  }

  #settle(view: RequestView): RuleIndex {
    const settled: NumberedRule[] = [];
    for (const { number, rule } of this.#ofConnections.candidates(view)) {
      const rest = settle(rule, view);
      if (rest !== false) settled.push({ number, rule: rest });
      // What comes after it can match no more.
      if (rest === true) break;
    }
    return new RuleIndex(settled, 'request');
  }

  #kindOf(connection: ConnectionFacts): Kind {
    let kind = this.#byConnection.get(connection);
    if (kind !== undefined) return kind;
    const key = this.#key(connection);
    kind = this.#kinds.get(key);
    if (kind === undefined) {
      kind = { key, requests: 0, index: null };
      this.#kinds.set(key, kind);
      this.#keep(1);
    }
    this.#byConnection.set(connection, kind);
    return kind;
  }

  #keep(more: number): void {
    this.#kept += more;
    for (const [key, { index }] of this.#kinds) {
      if (this.#kept <= mostKept) return;
      this.#kinds.delete(key);
      this.#kept -= 1 + (index?.size ?? 0);
    }
  }

  #key({ names, peer, info, local, localPort }: ConnectionFacts): string {
    const facts = this.#facts;
    return JSON.stringify([
      facts.has('names') ? names : 0,
      facts.has('peer') ? peer : 0,
      facts.has('local') ? [local, localPort] : 0,
      facts.has('server-name') ? info.serverName : 0,
    ]);
  }
}
