/** For proxyless gRPC clients the missing backend is a real cluster without endpoints: they would wait for one that does not exist, here their calls end UNAVAILABLE at once. */
import { noClusterTraffic } from '../config-kind/traffic-resource.ts';
import type { PortDefinition } from '../model/model.ts';
import { encodeOutboundCluster } from './encode-cluster.ts';
import { encodeEndpoints } from './encode-endpoints.ts';
import type { EncodedResource } from './encoded-resource.ts';

const definition: PortDefinition = {
  namespace: 'invalid',
  service: 'backend',
  port: 0,
  name: '',
  targetPort: null,
  protocol: 'grpc',
  isDefault: false,
  serviceAccounts: [],
  traffic: noClusterTraffic,
};
const nowhere = { namespace: definition.namespace, service: definition.service, port: definition.port, endpoints: [] };

export function missingBackendForGrpc(): EncodedResource {
  return encodeOutboundCluster(definition, { forGrpc: true, ours: false, trustDomain: '' });
}

export function missingBackendAssignment(): EncodedResource {
  return encodeEndpoints(nowhere, false);
}
