/** The configuration kinds that there are, and the one function that turns a plain document into a resource or into faults. */
import type { z } from 'zod';
import { authorizationPolicy, authorizationPolicyResource } from './authorization-policy.ts';
import { closestWord } from './closest-word.ts';
import { coreService, coreServiceResource } from './core-service.ts';
import { faultPolicy, faultPolicyResource } from './fault-policy.ts';
import { grpcRoute, grpcRouteResource } from './grpc-route.ts';
import { httpRoute, httpRouteResource } from './http-route.ts';
import { peerAuthentication, peerAuthenticationResource } from './peer-authentication.ts';
import { rateLimitPolicy, rateLimitPolicyResource } from './rate-limit-policy.ts';
import { requestAuthentication, requestAuthenticationResource } from './request-authentication.ts';
import type { Place, Resource } from './resource.ts';
import { type SchemaFault, schemaFaults } from './schema-fault.ts';
import { service, serviceResource } from './service.ts';
import { telemetry, telemetryResource } from './telemetry.ts';
import { trafficPolicy, trafficPolicyResource } from './traffic-policy.ts';

interface Kind {
  readonly apiVersion: string;
  readonly kind: string;
  /** Name of its file under docs/schema/. */
  readonly schemaFile: string;
  readonly schema: z.ZodType;
  readonly parse: (
    document: unknown,
    place: Place,
  ) => { readonly resource: Resource } | { readonly faults: readonly SchemaFault[] };
}

function kindOf<Schema extends z.ZodType>(
  apiVersion: string,
  kind: string,
  schemaFile: string,
  schema: Schema,
  make: (document: z.output<Schema>, place: Place) => Resource,
): Kind {
  return {
    apiVersion,
    kind,
    schemaFile,
    schema,
    parse: (document, place) => {
      const result = schema.safeParse(document);
      return result.success
        ? { resource: make(result.data, place) }
        : { faults: schemaFaults(result.error, document, kind, schema) };
    },
  };
}

export const kinds: readonly Kind[] = [
  kindOf('outrigger.dev/v1', 'Service', 'service.json', service, serviceResource),
  kindOf('v1', 'Service', 'core-service.json', coreService, coreServiceResource),
  kindOf('gateway.networking.k8s.io/v1', 'HTTPRoute', 'http-route.json', httpRoute, httpRouteResource),
  kindOf('gateway.networking.k8s.io/v1', 'GRPCRoute', 'grpc-route.json', grpcRoute, grpcRouteResource),
  kindOf('outrigger.dev/v1', 'TrafficPolicy', 'traffic-policy.json', trafficPolicy, trafficPolicyResource),
  kindOf(
    'outrigger.dev/v1',
    'PeerAuthentication',
    'peer-authentication.json',
    peerAuthentication,
    peerAuthenticationResource,
  ),
  kindOf(
    'outrigger.dev/v1',
    'AuthorizationPolicy',
    'authorization-policy.json',
    authorizationPolicy,
    authorizationPolicyResource,
  ),
  kindOf(
    'outrigger.dev/v1',
    'RequestAuthentication',
    'request-authentication.json',
    requestAuthentication,
    requestAuthenticationResource,
  ),
  kindOf('outrigger.dev/v1', 'FaultPolicy', 'fault-policy.json', faultPolicy, faultPolicyResource),
  kindOf('outrigger.dev/v1', 'RateLimitPolicy', 'rate-limit-policy.json', rateLimitPolicy, rateLimitPolicyResource),
  kindOf('outrigger.dev/v1', 'Telemetry', 'telemetry.json', telemetry, telemetryResource),
];

/** Kinds of interfaces.md that later versions take. */
const plannedKinds: ReadonlySet<string> = new Set(['ProxyExtension']);

/** Validates one document: a resource with all defaults, or every fault that it has. */
export function parseDocument(
  document: unknown,
  place: Place,
): { readonly resource: Resource } | { readonly faults: readonly SchemaFault[] } {
  if (typeof document !== 'object' || document === null || Array.isArray(document)) {
    return { faults: [{ path: [], message: 'the document is not a map with apiVersion, kind, metadata and spec' }] };
  }
  const { apiVersion, kind } = document as Record<string, unknown>;
  const found = kinds.find((each) => each.apiVersion === apiVersion && each.kind === kind);
  return found === undefined ? { faults: [unknownKind(apiVersion, kind)] } : found.parse(document, place);
}

function unknownKind(apiVersion: unknown, kind: unknown): SchemaFault {
  const names = [...new Set(kinds.map((each) => each.kind))];
  if (typeof kind !== 'string')
    return {
      path: ['kind'],
      message:
        kind === undefined
          ? `is missing; accepted: ${names.join(', ')}`
          : `${JSON.stringify(kind)} is not a kind; accepted: ${names.join(', ')}`,
    };
  const versions = kinds.filter((each) => each.kind === kind).map((each) => each.apiVersion);
  if (versions.length > 0) {
    const written =
      apiVersion === undefined ? 'is missing' : `${JSON.stringify(apiVersion)} is not accepted for kind ${kind}`;
    return { path: ['apiVersion'], message: `${written}; accepted: ${versions.join(', ')}` };
  }
  if (plannedKinds.has(kind))
    return { path: ['kind'], message: `${JSON.stringify(kind)} is not supported yet; accepted: ${names.join(', ')}` };
  const near = closestWord(kind, names);
  return {
    path: ['kind'],
    message: `${JSON.stringify(kind)} is not a kind; accepted: ${names.join(', ')}${near === null ? '' : `; did you mean ${near}?`}`,
  };
}
