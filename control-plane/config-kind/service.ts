/** Service (`outrigger.dev/v1`): a name, its ports, and where its instances are: static endpoints, a selector, or instances that register under its name. */
import { isIP } from 'node:net';
import { z } from 'zod';
import { dnsLabel, dnsSubdomain, labels } from './dns-name.ts';
import { serviceMetadata } from './object-metadata.ts';
import type { Place, ServiceResource } from './resource.ts';
import { portNumber } from './route-reference.ts';
import { clusterAddresses, clusterIp } from './service-address.ts';

const zone = z
  .string()
  .min(1, { error: 'is empty; leave it out when there is no zone' })
  .max(253, { error: 'is longer than 253 characters' });

const port = z.strictObject({
  name: dnsLabel.optional().describe('Needed when there are several ports'),
  port: portNumber.describe('What callers name'),
  targetPort: portNumber.optional().describe('Where static endpoints listen. Default: port'),
  appProtocol: z
    .enum(['http', 'http2', 'grpc', 'tcp'])
    .optional()
    .describe('Default: http. tcp is never looked into; it reaches proxies that traffic is redirected to'),
});

const endpoint = z.strictObject({
  address: z.string().refine((text) => isIP(text) !== 0, { error: 'is not an IP address; write 10.0.3.7 or fd00::7' }),
  port: portNumber.optional().describe("Only for a Service with one port. Default: the port's targetPort"),
  weight: z
    .int({ error: 'is not a weight: a whole number from 1 to 128' })
    .min(1, { error: 'is not a weight: a whole number from 1 to 128' })
    .max(128, { error: 'is not a weight: a whole number from 1 to 128' })
    .optional()
    .describe('Default: 1'),
  zone: zone.optional().describe("Default: the Service's zone"),
  labels: labels.optional(),
});

const spec = z
  .strictObject({
    ports: z
      .array(port)
      .min(1, { error: 'is empty; a Service has at least one port' })
      .max(100, { error: 'has more than 100 entries' })
      .check((context) => checkPorts(context)),
    endpoints: z
      .array(endpoint)
      .max(10_000, { error: 'has more than 10000 entries' })
      .optional()
      .describe('Instances that do not register themselves; they count beside those that do'),
    selector: labels
      .optional()
      .describe(
        'Picks registered instances of the namespace by their labels. Default: the instances that registered under this name',
      ),
    zone: zone.optional(),
    clusterIP: clusterIp
      .optional()
      .describe('Under which callers without the mesh reach it. Default, and for None: one of 240.240.0.0/16'),
    clusterIPs: z
      .array(clusterIp)
      .max(2, { error: 'has more than 2 entries' })
      .optional()
      .describe('One of each family; clusterIP is the first of them'),
    serviceAccounts: z
      .array(dnsSubdomain)
      .min(1, { error: 'is empty; leave it out for the account that is named like the Service' })
      .max(32, { error: 'has more than 32 entries' })
      .optional()
      .describe(
        'Accounts of the namespace that its instances may run as; callers accept no other. Default: the one that is named like the Service',
      ),
  })
  .check(({ value, issues }) => {
    if (value.selector !== undefined && Object.keys(value.selector).length === 0) {
      issues.push({
        code: 'custom',
        continue: true,
        input: value,
        path: ['selector'],
        message: 'is empty; name at least one label, or leave it out',
      });
    }
    if (value.ports.length < 2) return;
    for (const [at, { port: number }] of (value.endpoints ?? []).entries()) {
      if (number !== undefined)
        issues.push({
          code: 'custom',
          continue: true,
          input: number,
          path: ['endpoints', at, 'port'],
          message: 'is ambiguous, as the Service has several ports; give each port its targetPort instead',
        });
    }
  });

/** Ports of a Service of either group: numbers and names are unique, and names are there when there are several. */
export function checkPorts(context: {
  readonly value: ReadonlyArray<{ readonly name?: string | undefined; readonly port: number }>;
  readonly issues: z.core.$ZodRawIssue[];
}): void {
  const numbers = new Set<number>();
  const names = new Set<string>();
  const { value, issues } = context;
  for (const [at, { name, port: number }] of value.entries()) {
    if (numbers.has(number))
      issues.push({
        code: 'custom',
        continue: true,
        input: number,
        path: [at, 'port'],
        message: 'occurs twice; each port of a Service has a number of its own',
      });
    numbers.add(number);
    if (name !== undefined && names.has(name))
      issues.push({
        code: 'custom',
        continue: true,
        input: name,
        path: [at, 'name'],
        message: 'occurs twice; each port of a Service has a name of its own',
      });
    if (name !== undefined) names.add(name);
    else if (value.length > 1)
      issues.push({
        code: 'custom',
        continue: true,
        input: undefined,
        path: [at, 'name'],
        message: 'is missing; it is needed when there are several ports',
      });
  }
}

export const service = z.strictObject({
  apiVersion: z.literal('outrigger.dev/v1'),
  kind: z.literal('Service'),
  metadata: serviceMetadata,
  spec,
});

/** The validated document as our own type. */
export function serviceResource(document: z.output<typeof service>, place: Place): ServiceResource {
  const { metadata, spec: written } = document;
  const ports = written.ports.map((each) => ({
    name: each.name ?? '',
    port: each.port,
    targetPort: each.targetPort ?? each.port,
    protocol: each.appProtocol ?? ('http' as const),
  }));
  return {
    kind: 'Service',
    namespace: metadata.namespace ?? 'default',
    name: metadata.name,
    place,
    referencePlaces: new Map(),
    labels: metadata.labels ?? {},
    zone: written.zone ?? '',
    selector: written.selector ?? null,
    ports,
    endpoints: (written.endpoints ?? []).map((each) => ({
      address: each.address,
      port: each.port ?? null,
      weight: each.weight ?? 1,
      zone: each.zone ?? written.zone ?? '',
      labels: each.labels ?? {},
    })),
    addresses: clusterAddresses(written),
    createdAt: metadata.creationTimestamp ?? '',
    serviceAccounts: written.serviceAccounts ?? [metadata.name],
  };
}
