/** One route, compiled: what it matches, and what it does with a request. */
import type { RequestHead } from '../codec/message-head.ts';
import type { ForwardActionConfig, HeaderMatchConfig, QueryMatchConfig, RouteConfig, WeightedClusterConfig } from '../config/route-config.ts';
import { HeaderMutation } from './header-mutation.ts';
import { compileRegex, compileStringMatcher, type StringMatcher } from './string-matcher.ts';

type HeadTest = (head: RequestHead) => boolean;

export class WeightedTarget {
  readonly name: string;
  readonly weight: number;
  readonly requestHeaders: HeaderMutation | null;
  readonly responseHeaders: HeaderMutation | null;
  /** For use by metrics: whatever the connection manager keeps per route and cluster. */
  metrics: unknown = null;

  constructor(config: WeightedClusterConfig) {
    this.name = config.name;
    this.weight = config.weight;
    this.requestHeaders = HeaderMutation.compile(config.requestHeaders);
    this.responseHeaders = HeaderMutation.compile(config.responseHeaders);
  }
}

export class RouteEntry {
  readonly config: RouteConfig;
  readonly name: string;
  readonly forward: ForwardActionConfig | null;
  readonly targets: readonly WeightedTarget[];
  readonly requestHeaders: readonly HeaderMutation[];
  readonly responseHeaders: readonly HeaderMutation[];
  readonly #pathTest: StringMatcher;
  readonly #tests: readonly HeadTest[];
  readonly #totalWeight: number;

  /** `outer`: mutations of the virtual host and the table, applied after the route's own (Envoy's default order: most specific first). */
  constructor(config: RouteConfig, outerRequest: readonly HeaderMutation[], outerResponse: readonly HeaderMutation[]) {
    this.config = config;
    this.name = config.name;
    this.forward = config.action.kind === 'forward' ? config.action : null;
    this.targets = (this.forward?.clusters ?? []).map((cluster) => new WeightedTarget(cluster));
    this.#totalWeight = this.targets.reduce((sum, target) => sum + target.weight, 0);
    this.requestHeaders = withOwn(HeaderMutation.compile(config.requestHeaders), outerRequest);
    this.responseHeaders = withOwn(HeaderMutation.compile(config.responseHeaders), outerResponse);
    this.#pathTest = compilePath(config);
    this.#tests = [
      ...config.match.headers.map(compileHeaderTest),
      ...(config.match.queryParameters.length > 0 ? [compileQueryTest(config.match.queryParameters)] : []),
      ...(config.match.grpcOnly ? [isGrpc] : []),
    ];
  }

  /** `path` is without the query. */
  matches(head: RequestHead, path: string): boolean {
    if (!this.#pathTest(path)) return false;
    for (const test of this.#tests) if (!test(head)) return false;
    return true;
  }

  /** The cluster for a request, by weight. `point` is uniform in [0, 1). */
  chooseTarget(point: number): WeightedTarget {
    const { targets } = this;
    if (targets.length === 1) return targets[0]!;
    let at = point * this.#totalWeight;
    for (const target of targets) {
      at -= target.weight;
      if (at < 0) return target;
    }
    return targets[targets.length - 1]!;
  }
}

function withOwn(own: HeaderMutation | null, outer: readonly HeaderMutation[]): readonly HeaderMutation[] {
  return own === null ? outer : [own, ...outer];
}

function compilePath(config: RouteConfig): StringMatcher {
  const { path, caseSensitive } = config.match;
  if (path.kind === 'regex') return compileRegex(path.value);
  const wanted = caseSensitive ? path.value : path.value.toLowerCase();
  const fold = caseSensitive ? (value: string) => value : (value: string) => value.toLowerCase();
  switch (path.kind) {
    case 'exact':
      return caseSensitive ? (value) => value === wanted : (value) => fold(value) === wanted;
    case 'prefix':
      if (wanted === '/' || wanted === '') return () => true;
      return caseSensitive ? (value) => value.startsWith(wanted) : (value) => fold(value).startsWith(wanted);
    case 'separated-prefix':
      return (value) => {
        const folded = fold(value);
        return folded.startsWith(wanted) && (folded.length === wanted.length || folded.charCodeAt(wanted.length) === 47);
      };
  }
}

function compileHeaderTest(config: HeaderMatchConfig): HeadTest {
  const { name, test, invert, treatMissingAsEmpty } = config;
  if (test.kind === 'present') return (head) => ((headerValue(head, name) !== undefined) === test.present) !== invert;
  const matches: StringMatcher =
    test.kind === 'string' ? compileStringMatcher(test.match) : (value) => /^[+-]?\d+$/.test(value) && Number(value) >= test.start && Number(value) < test.end;
  return (head) => {
    const value = headerValue(head, name) ?? (treatMissingAsEmpty ? '' : undefined);
    // A missing header matches nothing, inverted or not (Envoy).
    if (value === undefined) return false;
    return matches(value) !== invert;
  };
}

/** The value of a header, or of a pseudo-header; several fields of one name are one list (RFC 9110 5.3). */
function headerValue(head: RequestHead, name: string): string | undefined {
  if (name.charCodeAt(0) === 58) {
    switch (name) {
      case ':method':
        return head.method;
      case ':path':
        return head.path;
      case ':authority':
        return head.authority;
      case ':scheme':
        return head.scheme;
      default:
        return undefined;
    }
  }
  const first = head.fields.get(name);
  if (first === undefined) return undefined;
  const all = head.fields.getAll(name);
  return all.length === 1 ? first : all.join(',');
}

function compileQueryTest(configs: readonly QueryMatchConfig[]): HeadTest {
  const tests = configs.map(({ name, test }) => ({ name, matches: test.kind === 'present' ? () => true : compileStringMatcher(test.match) }));
  return (head) => {
    const at = head.path.indexOf('?');
    const parameters = new URLSearchParams(at < 0 ? '' : head.path.slice(at + 1));
    return tests.every(({ name, matches }) => {
      const value = parameters.get(name);
      return value !== null && matches(value);
    });
  };
}

function isGrpc(head: RequestHead): boolean {
  const type = head.fields.get('content-type');
  return type !== undefined && (type === 'application/grpc' || type.startsWith('application/grpc+') || type.startsWith('application/grpc;'));
}
