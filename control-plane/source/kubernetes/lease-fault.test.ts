import { expect, test } from 'vitest';
import { ApiFault } from './api-fault.ts';
import type { ApiServer } from './api-server.ts';
import { leaseFaultLine } from './lease-fault.ts';

const server = (inPod: boolean): ApiServer => ({
  url: 'https://10.0.0.1',
  serverName: null,
  insecure: false,
  ca: () => null,
  credentials: () => ({ token: null, certificate: null, key: null }),
  namespace: 'mesh',
  inPod,
});
const forbidden = new ApiFault(403, 'Forbidden', 'no');
const all = { roots: true, bundle: true };

test('all that is not done without a Lease is told, and no more', () => {
  const line = leaseFaultLine(forbidden, 'outrigger-control-plane', server(false), all);
  expect(line).toMatch(
    /^Lease mesh\/outrigger-control-plane cannot be had, .*the status of routes and policies is not/,
  );
  expect(line).toContain('ConfigMap outrigger-root of namespaces is not kept, so new sidecars do not start');
  expect(line).toContain(
    "webhook's caBundle is not kept, so the API server may not believe the webhook and refuse every",
  );
  const less = leaseFaultLine(forbidden, 'l', server(false), { roots: false, bundle: false });
  expect(less).not.toMatch(/outrigger-root|caBundle/);
});

test('outside of the cluster the namespace may be the fault, so the flag is named; in a Pod it is its own', () => {
  expect(leaseFaultLine(forbidden, 'l', server(false), all)).toMatch(
    /the Role in namespace mesh needs the rule .*verbs: \[get, create, update\]; or is .* --kubernetes-namespace$/,
  );
  expect(leaseFaultLine(forbidden, 'l', server(true), all)).not.toContain('--kubernetes-namespace');
});

test('a namespace that is not there is named', () => {
  const line = leaseFaultLine(new ApiFault(404, 'NotFound', 'namespaces "mesh" not found'), 'l', server(false), all);
  expect(line).toContain('the API server has no namespace mesh (404: namespaces "mesh" not found)');
});
