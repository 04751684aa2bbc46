/** How this sidecar names itself to a control plane. */
import { create, type JsonObject } from '@bufbuild/protobuf';
import type { NodeConfig } from '../config/bootstrap-config.ts';
import { type Node, NodeSchema } from './api/envoy/config/core/v3/base_pb.js';

/** `features`: Envoy's `client_features` that hold on this stream. */
export function nodeMessage(config: NodeConfig, features: readonly string[]): Node {
  return create(NodeSchema, {
    id: config.id,
    cluster: config.cluster,
    locality: { region: config.region, zone: config.zone, subZone: config.subZone },
    metadata: config.metadata as JsonObject,
    userAgentName: 'outrigger',
    userAgentVersionType: { case: 'userAgentVersion', value: '0.1.0' },
    clientFeatures: [...features],
  });
}
