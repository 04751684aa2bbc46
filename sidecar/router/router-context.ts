/** What all routers of a connection manager share. Made by the connection manager. */
import type { ClusterLookup } from '../cluster/upstream.ts';
import type { Clock, Random } from '../runtime/clock.ts';
import type { RouteMemory } from './route-memory.ts';

export interface RouterContext {
  readonly clusters: ClusterLookup;
  readonly clock: Clock;
  readonly random: Random;
  readonly memory: RouteMemory;
  /** Bytes of a request's body that may wait for a connection before the caller is not read any more. */
  readonly bufferLimitBytes: number;
}
