/** Everything that is watched, in one table: the source, the roles in deploy/ and the status writer go by it. */
import { type KeptDocument, keepDocument } from './kept-document.ts';
import { type KeptEndpointSlice, keepEndpointSlice } from './kept-endpoint-slice.ts';
import { type KeptPod, keepPod } from './kept-pod.ts';
import { type KeptService, keepService } from './kept-service.ts';
import type { WatchedKind } from './watched-kind.ts';

export const servicesKind: WatchedKind<KeptService> = {
  group: '',
  apiVersion: 'v1',
  plural: 'services',
  optional: false,
  fieldSelector: '',
  keep: keepService,
};

export const endpointSlicesKind: WatchedKind<KeptEndpointSlice> = {
  group: 'discovery.k8s.io',
  apiVersion: 'v1',
  plural: 'endpointslices',
  optional: false,
  fieldSelector: '',
  keep: keepEndpointSlice,
};

export const podsKind: WatchedKind<KeptPod> = {
  group: '',
  apiVersion: 'v1',
  plural: 'pods',
  optional: false,
  // What has ended calls nobody, and jobs leave many behind.
  fieldSelector: 'status.phase!=Succeeded,status.phase!=Failed',
  keep: keepPod,
};

export interface DocumentKind extends WatchedKind<KeptDocument> {
  readonly kind: string;
}

function documents(group: string, kind: string, plural: string): DocumentKind {
  return {
    group,
    apiVersion: 'v1',
    plural,
    kind,
    optional: true,
    fieldSelector: '',
    keep: (object) => keepDocument(object, `${group}/v1`, kind),
  };
}

const own = 'outrigger.dev';
const gateway = 'gateway.networking.k8s.io';

/** Ours are CRDs of deploy/crds; the Gateway API's are the cluster's own. */
export const documentKinds: readonly DocumentKind[] = [
  documents(gateway, 'HTTPRoute', 'httproutes'),
  documents(gateway, 'GRPCRoute', 'grpcroutes'),
  documents(own, 'TrafficPolicy', 'trafficpolicies'),
  documents(own, 'PeerAuthentication', 'peerauthentications'),
  documents(own, 'AuthorizationPolicy', 'authorizationpolicies'),
  documents(own, 'RequestAuthentication', 'requestauthentications'),
  documents(own, 'FaultPolicy', 'faultpolicies'),
  documents(own, 'RateLimitPolicy', 'ratelimitpolicies'),
  documents(own, 'Telemetry', 'telemetries'),
];
