/**
 * Kubernetes' own Service (core `v1`), read as it is: its ports, its selector and its addresses. What only a cluster's network acts on is accepted and has no effect here; a field that is not Kubernetes'
 * is a fault as anywhere.
 */
import { z } from 'zod';
import { dnsLabel, labels } from './dns-name.ts';
import { serviceMetadata } from './object-metadata.ts';
import type { AppProtocol, Place, ServicePortSpec, ServiceResource } from './resource.ts';
import { portNumber } from './route-reference.ts';
import { checkPorts } from './service.ts';
import { clusterAddresses, clusterIp } from './service-address.ts';

const port = z.strictObject({
  name: dnsLabel.optional(),
  port: portNumber,
  targetPort: z
    .unknown()
    .refine(
      (value) =>
        typeof value === 'string' || (Number.isInteger(value) && Number(value) >= 1 && Number(value) <= 65_535),
      { error: 'is neither a port number from 1 to 65535 nor the name of a port' },
    )
    .optional(),
  protocol: z.enum(['TCP', 'UDP', 'SCTP']).optional().describe('Default: TCP; ports of others are left out'),
  appProtocol: z
    .string()
    .optional()
    .describe(
      'http, http2, grpc, tcp, kubernetes.io/h2c, kubernetes.io/ws; another one (https, tls) is taken as tcp. Default: by the beginning of the name (grpc, http2, h2c, tcp, https, tls), else http',
    ),
  nodePort: z.number().optional(),
});

/** Fields that the network of a cluster acts on. */
const clusterFields = {
  type: z
    .enum(['ClusterIP', 'NodePort', 'LoadBalancer'], {
      error: 'is not supported yet; only ClusterIP, NodePort and LoadBalancer are accepted',
    })
    .optional(),
  clusterIP: clusterIp.optional(),
  clusterIPs: z.array(clusterIp).optional(),
  externalIPs: z.array(z.string()).optional(),
  sessionAffinity: z.literal('None', { error: 'is not supported yet; only "None" is accepted' }).optional(),
  loadBalancerIP: z.string().optional(),
  loadBalancerSourceRanges: z.array(z.string()).optional(),
  loadBalancerClass: z.string().optional(),
  externalTrafficPolicy: z.string().optional(),
  internalTrafficPolicy: z.string().optional(),
  trafficDistribution: z.string().optional(),
  healthCheckNodePort: z.number().optional(),
  publishNotReadyAddresses: z.boolean().optional(),
  ipFamilies: z.array(z.string()).optional(),
  ipFamilyPolicy: z.string().optional(),
  allocateLoadBalancerNodePorts: z.boolean().optional(),
};

export const coreService = z.strictObject({
  apiVersion: z.literal('v1'),
  kind: z.literal('Service'),
  metadata: serviceMetadata,
  spec: z.strictObject({
    ports: z
      .array(port)
      .min(1, { error: 'is empty; a Service has at least one port' })
      .max(100, { error: 'has more than 100 entries' })
      // Kubernetes allows one number for TCP and UDP; only the TCP ones are looked at here.
      .check(({ value, issues }) => {
        const places = value.flatMap((each, at) => (isTcp(each) ? [at] : []));
        const found: z.core.$ZodRawIssue[] = [];
        checkPorts({ value: places.map((at) => value[at]!), issues: found });
        for (const issue of found) {
          const [at, ...rest] = issue.path ?? [];
          issues.push({ ...issue, path: [places[Number(at)]!, ...rest] });
        }
      }),
    selector: labels.optional(),
    ...clusterFields,
  }),
  status: z.unknown().optional().describe('Ignored'),
});

type WrittenPort = z.output<typeof port>;

function isTcp({ protocol }: WrittenPort): boolean {
  return protocol === undefined || protocol === 'TCP';
}

const protocols: Readonly<Record<string, AppProtocol>> = {
  http: 'http',
  http2: 'http2',
  grpc: 'grpc',
  tcp: 'tcp',
  // What is encrypted passes as it is, by the server name that it asks for; default/kubernetes is one.
  https: 'tcp',
  tls: 'tcp',
  'kubernetes.io/h2c': 'http2',
  'kubernetes.io/ws': 'http',
};

function protocolOf({ appProtocol, name = '' }: WrittenPort): AppProtocol {
  if (appProtocol !== undefined) return Object.hasOwn(protocols, appProtocol) ? protocols[appProtocol]! : 'tcp';
  const word = name.split('-', 1)[0]!;
  if (word === 'h2c') return 'http2';
  return Object.hasOwn(protocols, word) ? protocols[word]! : 'http';
}

/** The validated document as our own type. An empty selector is none, as in Kubernetes. */
export function coreServiceResource(document: z.output<typeof coreService>, place: Place): ServiceResource {
  const { metadata, spec } = document;
  const ports: ServicePortSpec[] = spec.ports.filter(isTcp).map((each) => ({
    name: each.name ?? '',
    port: each.port,
    targetPort:
      each.targetPort === undefined ? each.port : typeof each.targetPort === 'number' ? each.targetPort : null,
    protocol: protocolOf(each),
  }));
  return {
    kind: 'Service',
    namespace: metadata.namespace ?? 'default',
    name: metadata.name,
    place,
    referencePlaces: new Map(),
    labels: metadata.labels ?? {},
    zone: '',
    selector: spec.selector === undefined || Object.keys(spec.selector).length === 0 ? null : spec.selector,
    ports,
    endpoints: [],
    addresses: clusterAddresses(spec),
    createdAt: metadata.creationTimestamp ?? '',
    serviceAccounts: [metadata.name],
  };
}
