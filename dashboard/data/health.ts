/** How well an edge or a service does, by what has passed in the window. Said by colour, by shape and by a word; the bounds are here and nowhere else. */
import type { EdgeRow, ServiceRow } from './mesh-data.ts';

export type Health = 'good' | 'degraded' | 'failing' | 'idle';

/** Of requests. */
const degradedFrom = 0.01;
const failingFrom = 0.05;

export const healthWords: Readonly<Record<Health, string>> = {
  good: 'good',
  degraded: 'degraded',
  failing: 'failing',
  idle: 'no traffic',
};

export const healthMarks: Readonly<Record<Health, string>> = { good: '✓', degraded: '!', failing: '✕', idle: '–' };

export function edgeHealth({
  requestsPerSecond,
  failuresPerSecond,
  breaker = '',
}: Pick<EdgeRow, 'requestsPerSecond' | 'failuresPerSecond' | 'breaker'>): Health {
  if (breaker === 'open' || breaker === 'forced_open') return 'failing';
  if (requestsPerSecond <= 0) return 'idle';
  const share = failuresPerSecond / requestsPerSecond;
  return share >= failingFrom ? 'failing' : share >= degradedFrom || breaker === 'half_open' ? 'degraded' : 'good';
}

/** By what comes to it, and whether it has instances. */
export function serviceHealth(
  incoming: ReadonlyArray<Pick<EdgeRow, 'requestsPerSecond' | 'failuresPerSecond' | 'breaker'>>,
  service: Pick<ServiceRow, 'endpoints' | 'healthyEndpoints'> | undefined,
): Health {
  const sum = incoming.reduce(
    (all, { requestsPerSecond, failuresPerSecond }) => ({
      requestsPerSecond: all.requestsPerSecond + requestsPerSecond,
      failuresPerSecond: all.failuresPerSecond + failuresPerSecond,
    }),
    { requestsPerSecond: 0, failuresPerSecond: 0 },
  );
  const health = edgeHealth(sum);
  if (service === undefined || service.endpoints === 0) return health;
  if (service.healthyEndpoints === 0) return 'failing';
  const lacking =
    service.healthyEndpoints < service.endpoints || incoming.some((edge) => edgeHealth(edge) === 'failing');
  return lacking && (health === 'good' || health === 'idle') ? 'degraded' : health;
}

export type Secured = 'all' | 'some' | 'none' | 'unknown';

/** `all` from 99.95 %: a probe or two in plaintext are no alarm, but are told. */
export function secured(share: number | null): Secured {
  if (share === null) return 'unknown';
  return share >= 0.9995 ? 'all' : share > 0 ? 'some' : 'none';
}

export const securedWords = { all: 'mTLS', some: 'partly mTLS', none: 'plaintext', unknown: 'not known' } as const;
