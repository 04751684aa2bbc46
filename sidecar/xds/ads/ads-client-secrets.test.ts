/** Secrets over the ADS stream (SDS): what waits for them, what a bad one leaves in force, and what is never told to anybody. */
import { describe, expect, it } from 'vitest';
import type { SecretReference } from '../../config/tls-config.ts';
import { caPem, forged, orders, storefront, strangerPem } from '../../transport/test/certificates.ts';
import { ClientHarness } from './test/client-harness.ts';
import {
  certificateBytes,
  clusterBytes,
  endpointsBytes,
  listenerBytes,
  routesBytes,
  trustBytes,
  typeUrls,
} from './test/mesh-resources.ts';

/** A cluster and a listener that refer to secrets; all but the secrets is there. */
function waiting(
  variant: 'sotw' | 'delta',
  options: ConstructorParameters<typeof ClientHarness>[1] = {},
): ClientHarness {
  const harness = new ClientHarness(variant, options);
  const { server } = harness;
  server.set(typeUrls.cluster, 'orders', clusterBytes('orders', 1, 'orders', 'ROOTCA'));
  server.set(typeUrls.endpoints, 'orders', endpointsBytes('orders', 1));
  server.set(typeUrls.listener, 'inbound', listenerBytes('inbound', 1, 'main', 'default'));
  server.set(typeUrls.routes, 'main', routesBytes('main', 1, 'orders'));
  harness.client.start();
  return harness;
}

function warm(variant: 'sotw' | 'delta'): ClientHarness {
  const harness = waiting(variant);
  harness.server.set(typeUrls.secret, 'default', certificateBytes('default', orders));
  harness.server.set(typeUrls.secret, 'ROOTCA', trustBytes('ROOTCA', caPem));
  harness.settle();
  expect(harness.initialized).toBe(1);
  return harness;
}

const broken = certificateBytes('default', { chainPem: orders.chainPem, keyPem: forged.keyPem });
const keyLine = orders.keyPem.split('\n')[1]!;

describe.each(['sotw', 'delta'] as const)('secrets over ADS, %s', (variant) => {
  it('are asked for by name when something refers to them, and what refers to them waits for them', () => {
    const harness = waiting(variant);
    // A delta server says at once what it has not, and that ends the waiting: here its answer is under way.
    if (variant === 'delta') harness.server.set(typeUrls.secret, 'ROOTCA', trustBytes('ROOTCA', strangerPem));
    for (let i = 0; i < 50; i++) {
      harness.deliverToServer();
      harness.deliverToClient((typeUrl) => typeUrl !== typeUrls.secret);
    }
    expect(harness.server.names(typeUrls.secret)).toEqual(new Set(['default', 'ROOTCA']));
    expect(harness.configuration.clusters.size).toBe(0);
    expect(harness.configuration.listeners.size).toBe(0);
    expect(harness.initialized).toBe(0);
    harness.server.set(typeUrls.secret, 'default', certificateBytes('default', orders));
    harness.server.set(typeUrls.secret, 'ROOTCA', trustBytes('ROOTCA', caPem));
    harness.settle();
    expect([...harness.configuration.clusters.keys()]).toEqual(['orders']);
    expect([...harness.configuration.listeners.keys()]).toEqual(['inbound']);
    expect(harness.secrets.get('default')!.value).toMatchObject({ chainPem: orders.chainPem });
    expect(harness.initialized).toBe(1);
  });

  it('that do not come hold nothing up for longer than the initial fetch timeout', () => {
    const harness = waiting(variant, { initialFetchTimeoutMs: 5_000 });
    for (let i = 0; i < 50; i++) {
      harness.deliverToServer();
      harness.deliverToClient((typeUrl) => typeUrl !== typeUrls.secret);
    }
    harness.pass(4_900);
    expect(harness.initialized).toBe(0);
    harness.pass(200);
    expect(harness.initialized).toBe(1);
    expect([...harness.configuration.listeners.keys()]).toEqual(['inbound']);
    expect(harness.secrets.get('default')).toBeUndefined();
  });

  it('that cannot be used are refused with their path and without their text; the last good one stays', () => {
    const harness = warm(variant);
    const before = harness.secrets.get('default');
    harness.server.set(typeUrls.secret, 'default', broken, false);
    harness.settle();
    expect(harness.server.nacks).toMatchObject([{ typeUrl: typeUrls.secret }]);
    const { message } = harness.server.nacks[0]!;
    expect(message).toContain('secret "default": tls_certificate.private_key: the private key does not belong');
    expect(harness.secrets.get('default')).toBe(before);
    expect(harness.secrets.refusal('default')).toContain('does not belong');
    const told = [message, ...harness.log].join('\n');
    for (const line of [keyLine, forged.keyPem.split('\n')[1]!]) expect(told).not.toContain(line);
    harness.server.set(typeUrls.secret, 'default', certificateBytes('default', storefront));
    harness.settle();
    expect(harness.secrets.get('default')!.value).toMatchObject({ chainPem: storefront.chainPem });
    expect(harness.secrets.refusal('default')).toBe('');
  });

  it('of one response are judged one by one (gRFC A46)', () => {
    const harness = warm(variant);
    harness.server.set(typeUrls.secret, 'default', broken, false);
    harness.server.set(typeUrls.secret, 'ROOTCA', trustBytes('ROOTCA', strangerPem));
    harness.settle();
    expect(harness.server.nacks).toHaveLength(1);
    expect(harness.secrets.get('ROOTCA')!.value).toMatchObject({ trustedCaPem: strangerPem });
  });

  it('that are renewed make no configuration anew', () => {
    const harness = warm(variant);
    const { length } = harness.published;
    harness.server.set(typeUrls.secret, 'default', certificateBytes('default', storefront));
    harness.settle();
    expect(harness.published).toHaveLength(length);
    expect(harness.secrets.get('default')!.value).toMatchObject({ chainPem: storefront.chainPem });
  });

  it('that the control plane takes away go on for who uses them, and go when nothing refers to them', () => {
    const harness = warm(variant);
    harness.server.remove(typeUrls.secret, 'ROOTCA');
    harness.settle();
    expect(harness.secrets.get('ROOTCA')).toBeDefined();
    harness.server.remove(typeUrls.cluster, 'orders');
    harness.settle();
    expect(harness.secrets.get('ROOTCA')).toBeUndefined();
    expect(harness.secrets.get('default')).toBeDefined();
    expect(harness.server.names(typeUrls.secret)).toEqual(new Set(['default']));
  });

  it('survive a broken stream, and come again without a change to anybody', () => {
    const harness = warm(variant);
    const before = harness.secrets.get('default');
    harness.breakStream();
    harness.pass(1_000);
    harness.settle();
    expect(harness.streams).toBe(2);
    expect(harness.server.names(typeUrls.secret)).toEqual(new Set(['default', 'ROOTCA']));
    expect(harness.secrets.get('default')).toBe(before);
  });

  it('that come from a service of their own are waited for by what comes over ADS too', () => {
    const wanted = new Set<string>();
    let here = false;
    const secretServices = {
      want: (references: Iterable<SecretReference>) => {
        for (const { name, source } of references) if (source.kind === 'sds-service') wanted.add(name);
      },
      settled: ({ source }: SecretReference) => source.kind !== 'sds-service' || here,
    };
    const harness = new ClientHarness(variant, { secretServices });
    const { server } = harness;
    server.set(typeUrls.cluster, 'orders', clusterBytes('orders', 1));
    server.set(typeUrls.endpoints, 'orders', endpointsBytes('orders', 1));
    server.set(typeUrls.listener, 'inbound', listenerBytes('inbound', 1, 'main', 'default', 'agent'));
    server.set(typeUrls.routes, 'main', routesBytes('main', 1, 'orders'));
    harness.client.start();
    harness.settle();
    expect([...wanted]).toEqual(['default']);
    expect(server.names(typeUrls.secret)).toEqual(new Set());
    expect(harness.configuration.listeners.size).toBe(0);
    here = true;
    harness.client.secretsChanged();
    expect([...harness.configuration.listeners.keys()]).toEqual(['inbound']);
    expect(harness.initialized).toBe(1);
  });

  it('that the sidecar answers itself are neither asked for nor waited for', () => {
    const harness = waiting(variant, { localSecrets: new Set(['default', 'ROOTCA']) });
    harness.settle();
    expect(harness.server.names(typeUrls.secret)).toEqual(new Set());
    expect(harness.initialized).toBe(1);
  });
});
