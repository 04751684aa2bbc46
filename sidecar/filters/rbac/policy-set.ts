/**
 * The policies of one set of rules, compiled, and which of them is the first to match a request. What a policy says of the connection is settled once per kind of connection (callers of one
 * service are alike), so that a request meets only the policies that its connection can fulfil, and of those only the ones that its path and headers can.
 *
 *   policies ─▶ looked up by the caller's names ─▶ settled ─▶ index of this kind of connection ─┐
 *       └──── those that do not look at the connection ────▶ index shared by all ───────────────┴─▶ the first that holds
 */
import type { RbacRulesConfig } from '../../config/rbac-config.ts';
import { type ConnectionFact, collectFacts, compilePolicy, settle } from './compiled-rule.ts';
import type { ConnectionFacts, RequestView } from './request-view.ts';
import { type NumberedRule, RuleIndex } from './rule-index.ts';

/** So many settled policies are kept for kinds of connections that come again; the oldest kinds go first. */
const mostSettled = 20_000;

export class PolicySet {
  readonly action: RbacRulesConfig['action'];
  readonly names: readonly string[];
  readonly #shared: RuleIndex;
  readonly #ofConnections: RuleIndex;
  readonly #facts = new Set<ConnectionFact>();
  readonly #byKind = new Map<string, RuleIndex>();
  #settled = 0;
  readonly #byConnection = new WeakMap<ConnectionFacts, RuleIndex>();

  constructor(config: RbacRulesConfig) {
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
    const { size } = this.#ofConnections;
    const own = size === 0 ? -1 : this.#indexOf(view).first(view, Infinity);
    const shared = this.#shared.first(view, own < 0 ? Infinity : own);
    return shared < 0 ? own : shared;
  }

  #indexOf(view: RequestView): RuleIndex {
    const { connection } = view;
    let index = this.#byConnection.get(connection);
    if (index === undefined) {
      index = this.#indexOfKind(view);
      this.#byConnection.set(connection, index);
    }
    return index;
  }

  #indexOfKind(view: RequestView): RuleIndex {
    const kind = this.#kind(view.connection);
    const known = this.#byKind.get(kind);
    if (known !== undefined) return known;
    const settled: NumberedRule[] = [];
    for (const { number, rule } of this.#ofConnections.candidates(view)) {
      const rest = settle(rule, view);
      if (rest !== false) settled.push({ number, rule: rest });
      // What comes after it can match no more.
      if (rest === true) break;
    }
    const index = new RuleIndex(settled, 'request');
    this.#keep(kind, index);
    return index;
  }

  #keep(kind: string, index: RuleIndex): void {
    this.#byKind.set(kind, index);
    // A kind without policies takes memory too.
    this.#settled += index.size + 1;
    for (const [oldest, { size }] of this.#byKind) {
      if (this.#settled <= mostSettled || oldest === kind) return;
      this.#byKind.delete(oldest);
      this.#settled -= size + 1;
    }
  }

  /** Connections of which the policies see the same are of one kind. */
  #kind({ names, peer, info, local, localPort }: ConnectionFacts): string {
    const facts = this.#facts;
    return JSON.stringify([
      facts.has('names') ? names : 0,
      facts.has('peer') ? peer : 0,
      facts.has('local') ? [local, localPort] : 0,
      facts.has('server-name') ? info.serverName : 0,
    ]);
  }
}
