/** Who set what a route says, in its metadata: our sidecar names them in answers, logs and records. An Envoy takes it too, for formats of one's own: `%METADATA(ROUTE:outrigger.set_by:timeout)%`. */
import { create } from '@bufbuild/protobuf';
import { type Metadata, MetadataSchema } from '../../proto/generated/envoy/config/core/v3/base_pb.js';
import type { RouteTraffic } from '../config-kind/traffic-resource.ts';
import { streamLimit } from './route-traffic.ts';

/** A route that names backends that are not there. */
export interface MissingBackends {
  /** `HTTPRoute shop/payments` */
  readonly route: string;
  /** '' : it names none. */
  readonly why: string;
  /** That stands for them among its clusters; '' : it answers by itself. */
  readonly cluster: string;
}

/** Undefined: nobody but the defaults says anything. */
export function setByMetadata(
  traffic: RouteTraffic | null,
  grpc: boolean,
  missing: MissingBackends | null,
): Metadata | undefined {
  const said = Object.entries({
    timeout: traffic?.requestTimeout?.rule,
    per_try_timeout: traffic?.perTryTimeout?.rule,
    idle_timeout: traffic?.streamIdleTimeout?.rule,
    max_stream_duration: traffic === null ? '' : streamLimit(traffic, grpc)?.rule,
    backend: missing?.route,
    missing: missing?.why,
    missing_cluster: missing?.cluster,
  }).filter((entry): entry is [string, string] => entry[1] !== undefined && entry[1] !== '');
  if (said.length === 0) return undefined;
  return create(MetadataSchema, { filterMetadata: { 'outrigger.set_by': Object.fromEntries(said) } });
}
