/** The kinds of resources that the sidecar asks for, and how each is decoded into our own types. */
import { type DescMessage, fromBinary, type Message } from '@bufbuild/protobuf';
import { type Cluster, ClusterSchema } from '../api/envoy/config/cluster/v3/cluster_pb.js';
import {
  type ClusterLoadAssignment,
  ClusterLoadAssignmentSchema,
} from '../api/envoy/config/endpoint/v3/endpoint_pb.js';
import { type Listener, ListenerSchema } from '../api/envoy/config/listener/v3/listener_pb.js';
import { type RouteConfiguration, RouteConfigurationSchema } from '../api/envoy/config/route/v3/route_pb.js';
import { type Secret, SecretSchema } from '../api/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import { checkFields } from '../check-fields.ts';
import { decodeAssignment, decodeCluster } from '../decode-cluster.ts';
import { decodeListener } from '../decode-listener.ts';
import { decodeRouteTable } from '../decode-route.ts';
import { decodeSecret } from '../decode-secret.ts';
import { Faults, faultText } from '../fault.ts';

export interface ResourceType {
  readonly typeUrl: string;
  readonly label: 'cluster' | 'endpoints' | 'listener' | 'routes' | 'secret';
  /** All there are (LDS, CDS), or by name (RDS, EDS, SDS). */
  readonly wildcard: boolean;
  /** Name and value, or the faults; never throws. */
  decode(bytes: Uint8Array): DecodedResource;
}

export type DecodedResource =
  | { readonly ok: true; readonly name: string; readonly value: unknown }
  | { readonly ok: false; readonly name: string; readonly faults: readonly string[] };

function resourceType<M extends Message>(
  label: ResourceType['label'],
  wildcard: boolean,
  schema: DescMessage,
  nameOf: (message: M) => string,
  decode: (message: M, path: string, faults: Faults) => unknown,
): ResourceType {
  return {
    typeUrl: `type.googleapis.com/${schema.typeName}`,
    label,
    wildcard,
    decode(bytes) {
      const faults = new Faults();
      let name = '';
      try {
        const message = fromBinary(schema, bytes) as unknown as M;
        name = nameOf(message);
        if (name === '') faults.add('name', 'must not be empty');
        checkFields(schema, message, '', faults);
        const value = faults.any ? null : decode(message, '', faults);
        if (!faults.any) return { ok: true, name, value };
      } catch (error) {
        faults.add('', `cannot be decoded: ${(error as Error).message}`);
      }
      return { ok: false, name, faults: faults.list.map(faultText) };
    },
  };
}

export const clusterType = resourceType<Cluster>(
  'cluster',
  true,
  ClusterSchema,
  (message) => message.name,
  decodeCluster,
);
export const endpointsType = resourceType<ClusterLoadAssignment>(
  'endpoints',
  false,
  ClusterLoadAssignmentSchema,
  (message) => message.clusterName,
  decodeAssignment,
);
export const listenerType = resourceType<Listener>(
  'listener',
  true,
  ListenerSchema,
  (message) => message.name,
  decodeListener,
);
export const routesType = resourceType<RouteConfiguration>(
  'routes',
  false,
  RouteConfigurationSchema,
  (message) => message.name,
  decodeRouteTable,
);

export const secretType = resourceType<Secret>('secret', false, SecretSchema, (message) => message.name, decodeSecret);

/** In the order in which they are asked for and applied: make before break. */
export const resourceTypes: readonly ResourceType[] = [
  clusterType,
  endpointsType,
  listenerType,
  routesType,
  secretType,
];
