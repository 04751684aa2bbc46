/** Values of a TrafficPolicy that are possible and likely not meant: what they do is said. Pure; what a policy refers to is check-traffic.ts's. */
import { type Resource, resourceName } from '../config-kind/resource.ts';
import type { LimitSettings, TrafficPolicyResource } from '../config-kind/traffic-resource.ts';
import type { ReferenceWarning } from './reference-warning.ts';
import type { TrafficIndex } from './traffic-index.ts';
import { durationText } from './traffic-text.ts';

/** Of a request that no policy says anything of; a gRPC call has none. */
const defaultRequestMs = 15_000;

/** `ledAway`: ports that nothing is sent to, `namespace/name:port`. */
export function doubtfulValues(
  policy: Resource,
  index: TrafficIndex,
  ledAway: ReadonlySet<string>,
): ReferenceWarning[] {
  if (policy.kind !== 'TrafficPolicy') return [];
  const { cluster } = policy;
  const idle = idleProblems(policy, index, ledAway);
  const found = [
    ...perTryProblem(policy, index),
    ...grpcMethodsProblem(policy, index),
    ...repeatedMethodProblems(policy),
    ...cluster.healthChecks.flatMap(({ timeoutMs, intervalMs }, at) =>
      timeoutMs > intervalMs
        ? [
            [
              `spec.healthChecks[${at}].timeout`,
              `${durationText(timeoutMs)} is longer than interval (${durationText(intervalMs)}): the next check begins an interval after the end of the last, so a host that does not answer is asked every ${durationText(timeoutMs + intervalMs)} only`,
            ] as const,
          ]
        : [],
    ),
    ...(idle.length > 0
      ? idle
      : [
          ...limitProblems('spec.limits', cluster.limits, ''),
          ...limitProblems('spec.limits.highPriority', cluster.highPriorityLimits, ' of priority HIGH'),
        ]),
    ...(cluster.retryBudget?.percent === 0 && cluster.retryBudget.minConcurrency === 0
      ? [['spec.retries.budget', 'has no place for any retry: none is made'] as const]
      : []),
    ...(cluster.outlierDetection !== null &&
    cluster.outlierDetection !== 'off' &&
    cluster.outlierDetection.maxEjectionPercent === 0
      ? [
          [
            'spec.outlierDetection.maxEjectionPercent',
            '0: no host is ever ejected; enabled: false says so more plainly',
          ] as const,
        ]
      : []),
  ];
  return found.map(([path, message]) => ({
    resource: resourceName(policy),
    place: policy.referencePlaces.get(path) ?? policy.place,
    path,
    message,
  }));
}

type Problem = readonly [path: string, message: string];

/** Limits and a breaker of hosts that nothing is sent to. */
function idleProblems(
  policy: TrafficPolicyResource,
  { placed }: TrafficIndex,
  ledAway: ReadonlySet<string>,
): Problem[] {
  const { limits, highPriorityLimits, circuitBreaker } = policy.cluster;
  const targets = placed.filter((each) => each.policy === policy && each.problem === '' && each.winner === null);
  const isIdle = targets.every(
    ({ target, ports }) =>
      target.kind === 'Service' && ports.every(({ port }) => ledAway.has(`${policy.namespace}/${target.name}:${port}`)),
  );
  if (targets.length === 0 || !isIdle) return [];
  const names = [...new Set(targets.map(({ target }) => target.name))].join(', ');
  const message = `holds for nothing: routes lead every request to Service ${names} elsewhere; say it of the Services that they lead to`;
  return [
    ...(limits === null && highPriorityLimits === null ? [] : [['spec.limits', message] as const]),
    ...(circuitBreaker === null || circuitBreaker === 'off' ? [] : [['spec.circuitBreaker', message] as const]),
  ];
}

/** By what holds together with other policies, at the first target where it shows. */
function perTryProblem(policy: TrafficPolicyResource, index: TrafficIndex): Problem[] {
  const perTryMs = policy.route.perTryTimeout?.ms ?? 0;
  if (perTryMs === 0) return [];
  for (const { requestMs, isDefault } of index.requestTimeouts(policy, defaultRequestMs)) {
    if (requestMs === 0 || perTryMs < requestMs) continue;
    const whole = `timeouts.request (${durationText(requestMs)}${isDefault ? ', the default' : ''})`;
    return [
      [
        'spec.timeouts.perTry',
        `${durationText(perTryMs)} is not shorter than ${whole}: the request is over before an attempt is, so this ends none, and none is tried again for it`,
      ],
    ];
  }
  return [];
}

function grpcMethodsProblem(policy: TrafficPolicyResource, index: TrafficIndex): Problem[] {
  const { retries } = policy.route;
  if (retries === null || retries.attempts === 0 || retries.methods.length === 0 || retries.methods.includes('POST'))
    return [];
  const where = index.grpcRetried(policy);
  if (where.length === 0) return [];
  return [
    [
      'spec.retries.methods',
      `POST is not among them, and gRPC calls (${where.join(', ')}) are POST: none of them is tried again by this policy`,
    ],
  ];
}

function repeatedMethodProblems({ route }: TrafficPolicyResource): Problem[] {
  const { retries, hedging, fallback } = route;
  const lists: ReadonlyArray<readonly [field: string, methods: readonly string[]]> = [
    ['retries', retries === null ? [] : retries.methods],
    ['hedging', hedging !== null && 'methods' in hedging ? hedging.methods : []],
    ['fallback', fallback === null || fallback === 'off' ? [] : fallback.methods],
  ];
  return lists.flatMap(([field, methods]) => {
    const twice = new Set(methods.filter((method, at) => methods.indexOf(method) !== at));
    if (twice.size === 0) return [];
    const named = `${[...twice].join(', ')} ${twice.size === 1 ? 'is' : 'are'} named more than once`;
    return [[`spec.${field}.methods`, `${named}; once is enough`] as const];
  });
}

function limitProblems(path: string, limits: LimitSettings | null, whose: string): Problem[] {
  if (limits === null) return [];
  const refused = `every request${whose} that is sent to it is refused (503 UO)`;
  const problems: ReadonlyArray<readonly [keyof LimitSettings, string]> = [
    ['maxConnections', 'each host is connected to all the same, once: a limit of 0 does not shut a Service off'],
    ['maxPendingRequests', `no request may wait for a connection, so none is ever made, and ${refused}`],
    ['maxRequests', refused],
    [
      'maxRetries',
      `no request${whose} is tried again, whatever retries says; a retry budget that is given goes before it`,
    ],
  ];
  return problems.flatMap(([field, message]) =>
    limits[field] === 0 ? [[`${path}.${field}`, `0: ${message}`] as const] : [],
  );
}
