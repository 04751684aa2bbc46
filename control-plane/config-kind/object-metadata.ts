/**
 * `metadata` of every kind. What an API server adds is accepted, so that `kubectl get -o yaml` can be fed back as it is; of that only `creationTimestamp` means something here (the
 * Gateway API breaks ties between routes by it).
 */
import { z } from 'zod';
import { dnsLabel, dnsSubdomain, labels } from './dns-name.ts';

const serverFields = {
  uid: z.string().optional(),
  resourceVersion: z.string().optional(),
  generation: z.number().optional(),
  creationTimestamp: z.iso
    .datetime({ offset: true, error: 'is not a time; write it as 2026-01-31T12:00:00Z' })
    .nullable()
    .optional(),
  deletionTimestamp: z.string().nullable().optional(),
  deletionGracePeriodSeconds: z.number().optional(),
  generateName: z.string().optional(),
  selfLink: z.string().optional(),
  finalizers: z.array(z.string()).optional(),
  ownerReferences: z.array(z.unknown()).optional(),
  managedFields: z.array(z.unknown()).optional(),
};

const shared = {
  namespace: dnsLabel.optional().describe('Default: default'),
  labels: labels.optional(),
  annotations: z.record(z.string(), z.string()).optional(),
  ...serverFields,
};

/** A Service's: its name becomes a DNS label. */
export const serviceMetadata = z.strictObject({ name: dnsLabel, ...shared });
/** A route's: any subdomain. */
export const routeMetadata = z.strictObject({ name: dnsSubdomain, ...shared });
