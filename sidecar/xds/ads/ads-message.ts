/** The messages of an ADS stream in both variants, brought to one shape: the rest of the client need not know which one it speaks. */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import type { NodeConfig } from '../../config/bootstrap-config.ts';
import {
  DeltaDiscoveryRequestSchema,
  DeltaDiscoveryResponseSchema,
  DiscoveryRequestSchema,
  DiscoveryResponseSchema,
} from '../api/envoy/service/discovery/v3/discovery_pb.js';
import { StatusSchema } from '../api/google/rpc/status_pb.js';
import { nodeMessage } from '../node-message.ts';

/** A response of either variant. */
export interface AdsResponse {
  readonly typeUrl: string;
  readonly nonce: string;
  /** SotW: of the whole type. Delta: `system_version_info`, for debugging only. */
  readonly version: string;
  readonly resources: ReadonlyArray<{
    readonly name: string;
    readonly version: string;
    readonly bytes: Uint8Array;
    readonly typeUrl: string;
    /** Delta: it has a time to live. */
    readonly ttl: boolean;
  }>;
  readonly removed: readonly string[];
}

export interface AdsRequest {
  readonly node: NodeConfig | null;
  readonly typeUrl: string;
  readonly nonce: string;
  /** Text of the NACK; '' for an ACK or a spontaneous request. */
  readonly error: string;
  /** SotW: the last accepted version. */
  readonly version: string;
  /** SotW: all names. Empty for wildcard types. */
  readonly names: readonly string[];
  readonly subscribe: readonly string[];
  readonly unsubscribe: readonly string[];
  /** Delta, first request of a stream: versions held. */
  readonly initialVersions: ReadonlyMap<string, string>;
}

/** google.rpc.Code INVALID_ARGUMENT. */
const invalidArgument = 3;

function node(config: NodeConfig | null) {
  return config === null ? {} : { node: nodeMessage(config, ['envoy.lb.does_not_support_overprovisioning']) };
}

function errorDetail(error: string) {
  return error === '' ? {} : { errorDetail: create(StatusSchema, { code: invalidArgument, message: error }) };
}

export interface AdsVariant {
  readonly path: string;
  encode(request: AdsRequest): Uint8Array;
  decode(bytes: Uint8Array): AdsResponse;
}

export const sotwVariant: AdsVariant = {
  path: '/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources',
  encode: (request) =>
    toBinary(
      DiscoveryRequestSchema,
      create(DiscoveryRequestSchema, {
        ...node(request.node),
        ...errorDetail(request.error),
        typeUrl: request.typeUrl,
        responseNonce: request.nonce,
        versionInfo: request.version,
        resourceNames: [...request.names],
      }),
    ),
  decode(bytes) {
    const message = fromBinary(DiscoveryResponseSchema, bytes);
    return {
      typeUrl: message.typeUrl,
      nonce: message.nonce,
      version: message.versionInfo,
      resources: message.resources.map((any) => ({
        name: '',
        version: message.versionInfo,
        bytes: any.value,
        typeUrl: any.typeUrl,
        ttl: false,
      })),
      removed: [],
    };
  },
};

export const deltaVariant: AdsVariant = {
  path: '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources',
  encode: (request) =>
    toBinary(
      DeltaDiscoveryRequestSchema,
      create(DeltaDiscoveryRequestSchema, {
        ...node(request.node),
        ...errorDetail(request.error),
        typeUrl: request.typeUrl,
        responseNonce: request.nonce,
        resourceNamesSubscribe: [...request.subscribe],
        resourceNamesUnsubscribe: [...request.unsubscribe],
        initialResourceVersions: Object.fromEntries(request.initialVersions),
      }),
    ),
  decode(bytes) {
    const message = fromBinary(DeltaDiscoveryResponseSchema, bytes);
    return {
      typeUrl: message.typeUrl,
      nonce: message.nonce,
      version: message.systemVersionInfo,
      resources: message.resources.map((resource) => ({
        name: resource.name,
        version: resource.version,
        bytes: resource.resource?.value ?? new Uint8Array(),
        typeUrl: resource.resource?.typeUrl ?? '',
        ttl: resource.ttl !== undefined,
      })),
      removed: message.removedResources,
    };
  },
};
