/** How `rate_limits` of the route and its virtual host describe one request: each policy gives a list of keys and values, or none. Both rate limit filters use it. */
import type {
  RateLimitActionConfig,
  RateLimitPolicyConfig,
  RouteRateLimitsConfig,
  VirtualHostRateLimits,
} from '../../config/rate-limit-config.ts';
import { compileHeaderTest, compileQueryTest } from '../../router/header-test.ts';
import { addressText, clientAddress, networkText } from '../client-address.ts';
import type { ForwardedForRules } from '../rbac/request-view.ts';
import type { GateRequest } from '../request-gate.ts';

export type DescriptorEntry = readonly [key: string, value: string];
export type Descriptor = readonly DescriptorEntry[];

/** `null`: there is no description. `skip`: the action adds nothing to it. */
type Action = (request: GateRequest) => DescriptorEntry | 'skip' | null;

export interface DescriptorContext {
  /** `node.cluster`. */
  readonly localService: string;
  readonly forwardedFor: ForwardedForRules;
}

const none: readonly Descriptor[] = [];

export class RequestDescriptors {
  readonly #context: DescriptorContext;
  readonly #stage: number;
  /** By what routes say; compiled when the first request needs it. */
  readonly #compiled = new WeakMap<
    RouteRateLimitsConfig,
    Map<VirtualHostRateLimits, ReadonlyArray<readonly Action[]>>
  >();

  /** Only policies of `stage` count. */
  constructor(stage: number, context: DescriptorContext) {
    this.#stage = stage;
    this.#context = context;
  }

  of(request: GateRequest, virtualHost: VirtualHostRateLimits): readonly Descriptor[] {
    const config = request.route?.config.rateLimits ?? null;
    if (config === null) return none;
    const policies = this.#policies(config, config.includeVirtualHost ? 'include' : virtualHost);
    if (policies.length === 0) return none;
    const found: Descriptor[] = [];
    for (const actions of policies) {
      const descriptor = describe(actions, request);
      if (descriptor !== null) found.push(descriptor);
    }
    return found;
  }

  #policies(config: RouteRateLimitsConfig, virtualHost: VirtualHostRateLimits): ReadonlyArray<readonly Action[]> {
    let byOption = this.#compiled.get(config);
    if (byOption === undefined) this.#compiled.set(config, (byOption = new Map()));
    let compiled = byOption.get(virtualHost);
    if (compiled === undefined) {
      const hostCounts = virtualHost === 'include' || (virtualHost === 'override' && config.route.length === 0);
      const policies: readonly RateLimitPolicyConfig[] = hostCounts
        ? [...config.route, ...config.virtualHost]
        : config.route;
      compiled = policies
        .filter(({ stage }) => stage === this.#stage)
        .map(({ actions }) => actions.map((action) => compileAction(action, this.#context)));
      byOption.set(virtualHost, compiled);
    }
    return compiled;
  }
}

function describe(actions: readonly Action[], request: GateRequest): Descriptor | null {
  const entries: DescriptorEntry[] = [];
  for (const action of actions) {
    const entry = action(request);
    if (entry === null) return null;
    if (entry !== 'skip') entries.push(entry);
  }
  return entries.length === 0 ? null : entries;
}

function compileAction(action: RateLimitActionConfig, { localService, forwardedFor }: DescriptorContext): Action {
  switch (action.kind) {
    case 'source-cluster':
      return constant(['source_cluster', localService]);
    case 'destination-cluster':
      return ({ targetCluster }) => (targetCluster === null ? null : ['destination_cluster', targetCluster]);
    case 'remote-address':
      return (request) => {
        const address = clientAddress(request, forwardedFor);
        return address === null ? null : ['remote_address', addressText(address)];
      };
    case 'masked-remote-address':
      return (request) => {
        const address = clientAddress(request, forwardedFor);
        return address === null ? null : ['masked_remote_address', networkText(address, action.v4Bits, action.v6Bits)];
      };
    case 'generic-key':
      return constant([action.key, action.value]);
    case 'request-header': {
      const { header, key } = action;
      const absent = action.skipIfAbsent ? 'skip' : null;
      return ({ head }) => {
        const value = firstValue(head, header);
        return value === undefined ? absent : [key, value];
      };
    }
    case 'header-match': {
      const tests = action.headers.map(compileHeaderTest);
      const entry: DescriptorEntry = [action.key, action.value];
      return ({ head }) => (tests.every((test) => test(head)) === action.expectMatch ? entry : null);
    }
    case 'query-match': {
      const test = compileQueryTest(action.parameters);
      const entry: DescriptorEntry = [action.key, action.value];
      return ({ head }) => (test(head) === action.expectMatch ? entry : null);
    }
    case 'metadata': {
      const { key, namespace, path, defaultValue } = action;
      const absent: DescriptorEntry | 'skip' | null =
        defaultValue === '' ? (action.skipIfAbsent ? 'skip' : null) : [key, defaultValue];
      return ({ metadata }) => {
        const value = textAt(metadata?.get(namespace), path);
        return value === '' ? absent : [key, value];
      };
    }
    case 'caller':
      return ({ connection }) => {
        const uri = connection.peer?.uris[0] ?? '';
        return uri === '' ? null : [action.key, uri];
      };
  }
}

function constant(entry: DescriptorEntry): Action {
  return () => entry;
}

/** Of a header with several values the first counts (Envoy). */
function firstValue(head: GateRequest['head'], name: string): string | undefined {
  switch (name) {
    case ':method':
      return head.method;
    case ':path':
      return head.path;
    case ':scheme':
      return head.scheme;
    case ':authority':
    case 'host':
      return head.authority;
    default:
      return head.fields.get(name);
  }
}

/** '': there is no text. Own members only: no key reaches a prototype. */
function textAt(root: unknown, path: readonly string[]): string {
  let value = root;
  for (const key of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return '';
    value = (value as Readonly<Record<string, unknown>>)[key];
  }
  return typeof value === 'string' ? value : '';
}
