/** Who set what a route says, as our control plane tells it in the route's metadata → RouteSettersConfig. It is for people alone, so that what is no such text is left out rather than refused. */
import type { RouteSettersConfig } from '../config/route-config.ts';
import type { Metadata } from './api/envoy/config/core/v3/base_pb.js';

const namespace = 'outrigger.set_by';

/** Null: nothing is said. */
export function routeSetters(metadata: Metadata | undefined): RouteSettersConfig | null {
  const said = metadata?.filterMetadata[namespace];
  if (said === undefined) return null;
  const text = (key: string): string => {
    const value = said[key];
    return typeof value === 'string' && /^[\x20-\x7e]{1,1024}$/.test(value) ? value : '';
  };
  return Object.freeze({
    timeout: text('timeout'),
    perTryTimeout: text('per_try_timeout'),
    idleTimeout: text('idle_timeout'),
    maxStreamDuration: text('max_stream_duration'),
    backend: text('backend'),
    missing: text('missing'),
    missingCluster: text('missing_cluster'),
  });
}
