/** One route, compiled: what it matches, and what it does with a request. */
import type { RunningBreaker } from '../circuit-breaker/running-breaker.ts';
import type { HeaderFields } from '../codec/header-fields.ts';
import type { RequestHead } from '../codec/message-head.ts';
import type { ForwardActionConfig, RouteConfig } from '../config/route-config.ts';
import { AttemptRules } from './attempt-rules.ts';
import { FallbackRule } from './fallback/fallback-rule.ts';
import { HeaderMutation } from './header-mutation.ts';
import type { HeadTest } from './header-test.ts';
import { HedgingRule } from './hedging-rule.ts';
import { compileHeadTests, compilePath } from './route-match.ts';
import type { StringMatcher } from './string-matcher.ts';
import { WeightedTarget } from './weighted-target.ts';

export class RouteEntry {
  readonly config: RouteConfig;
  readonly name: string;
  /** By what things are remembered of it, from one configuration to the next: names of routes say something in their virtual host only. */
  readonly memoryKey: string;
  readonly forward: ForwardActionConfig | null;
  /** Of `forward`; null without it. */
  readonly rules: AttemptRules | null;
  readonly hedging: HedgingRule | null;
  readonly fallback: FallbackRule | null;
  /** Its fallback is, among others, the last good answer to such a request. */
  readonly sharesAnswers: boolean;
  /** Null: it has none. */
  readonly breaker: RunningBreaker | null;
  readonly targets: readonly WeightedTarget[];
  readonly requestHeaders: readonly HeaderMutation[];
  readonly responseHeaders: readonly HeaderMutation[];
  readonly #pathTest: StringMatcher;
  readonly #tests: readonly HeadTest[];
  readonly #totalWeight: number;

  /** `virtualHost`: its name. `outer…`: mutations of the virtual host and the table, applied after the route's own (Envoy's default order: most specific first). */
  constructor(
    config: RouteConfig,
    virtualHost: string,
    outerRequest: readonly HeaderMutation[],
    outerResponse: readonly HeaderMutation[],
    breaker: RunningBreaker | null = null,
  ) {
    this.config = config;
    this.breaker = breaker;
    this.name = config.name;
    this.memoryKey = `${virtualHost}\n${config.name}`;
    this.forward = config.action.kind === 'forward' ? config.action : null;
    this.rules = this.forward === null ? null : AttemptRules.compile(this.forward);
    const { hedging = null, fallback = null } = this.forward ?? {};
    this.hedging = hedging === null ? null : new HedgingRule(hedging);
    this.fallback = fallback === null ? null : new FallbackRule(fallback);
    this.sharesAnswers = this.fallback !== null && this.fallback.stale !== null;
    this.targets = (this.forward?.clusters ?? []).map((cluster) => new WeightedTarget(cluster));
    this.#totalWeight = this.targets.reduce((sum, target) => sum + target.weight, 0);
    this.requestHeaders = withOwn(HeaderMutation.compile(config.requestHeaders), outerRequest);
    this.responseHeaders = withOwn(HeaderMutation.compile(config.responseHeaders), outerResponse);
    this.#pathTest = compilePath(config.match);
    this.#tests = compileHeadTests(config.match);
  }

  /** `path` is without the query. */
  matches(head: RequestHead, path: string): boolean {
    // CONNECT has no path; only a `connect_matcher` takes it (Envoy), which is not supported.
    if (path === '' || !this.#pathTest(path)) return false;
    const tests = this.#tests;
    for (let i = 0; i < tests.length; i++) if (!tests[i]!(head)) return false;
    return true;
  }

  /** The request came with a field that does not go to the service as it came, whichever cluster it goes to. */
  takesOff(fields: HeaderFields): boolean {
    return (
      this.requestHeaders.some((mutation) => mutation.takesOff(fields)) ||
      this.targets.some(({ requestHeaders }) => requestHeaders !== null && requestHeaders.takesOff(fields))
    );
  }

  /** The cluster for a request, by weight. `point` is uniform in [0, 1). */
  chooseTarget(point: number): WeightedTarget {
    const { targets } = this;
    let at = point * this.#totalWeight;
    for (const target of targets) {
      at -= target.weight;
      if (at < 0) return target;
    }
    // Rounding at the upper end: the last one that has a share.
    return targets.findLast((target) => target.weight > 0) ?? targets[targets.length - 1]!;
  }
}

function withOwn(own: HeaderMutation | null, outer: readonly HeaderMutation[]): readonly HeaderMutation[] {
  return own === null ? outer : [own, ...outer];
}
