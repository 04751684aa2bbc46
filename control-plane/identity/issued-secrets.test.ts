/** Secrets by SDS from a whole control plane over its TLS door, as an Envoy asks for them: on ADS, or on a stream of their own, in both variants. */
import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create, fromBinary, type MessageInitShape } from '@bufbuild/protobuf';
import { type Client, status } from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from 'vitest';
import { createRoot } from '../../certs/authority/create-root.ts';
import { issuingClock } from '../../certs/authority/issuing-clock.ts';
import { makeTrustBundle, trustBundleDocument, trustBundlePem } from '../../certs/spiffe/trust-bundle.ts';
import { readPem } from '../../certs/x509/pem.ts';
import { type DataSource, NodeSchema } from '../../proto/generated/envoy/config/core/v3/base_pb.js';
import {
  type Secret,
  SecretSchema,
} from '../../proto/generated/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import { SPIFFECertValidatorConfigSchema } from '../../proto/generated/envoy/extensions/transport_sockets/tls/v3/tls_spiffe_validator_config_pb.js';
import { AggregatedDiscoveryService } from '../../proto/generated/envoy/service/discovery/v3/ads_pb.js';
import {
  type DeltaDiscoveryRequest,
  DeltaDiscoveryRequestSchema,
  type DeltaDiscoveryResponse,
  type DiscoveryRequest,
  DiscoveryRequestSchema,
  type DiscoveryResponse,
} from '../../proto/generated/envoy/service/discovery/v3/discovery_pb.js';
import { SecretDiscoveryService } from '../../proto/generated/envoy/service/secret/v3/sds_pb.js';
import {
  ClientStatusDiscoveryService,
  ClientStatusRequestSchema,
} from '../../proto/generated/envoy/service/status/v3/csds_pb.js';
import { bearer, MeshDoors, type OpenStream, shopOrders, stream, unary } from '../door/mesh-doors.test-data.ts';
import { typeOrder } from '../xds-server/served-resource.ts';

const folder = mkdtempSync(join(tmpdir(), 'outrigger-sds-'));
const clock = issuingClock(Date.now);
let doors: MeshDoors;

afterEach(() => doors.stop());
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));

type Delta = OpenStream<DeltaDiscoveryRequest, DeltaDiscoveryResponse>;

const node = (id = 'envoy-1') => create(NodeSchema, { id, cluster: 'shop/orders', userAgentName: 'envoy' });

function deltaSecrets(client: Client, metadata = bearer(doors.localToken)): Delta {
  return stream(client, SecretDiscoveryService, 'deltaSecrets', metadata);
}

function ask(fields: MessageInitShape<typeof DeltaDiscoveryRequestSchema>): DeltaDiscoveryRequest {
  return create(DeltaDiscoveryRequestSchema, { node: node(), typeUrl: typeOrder.secret, ...fields });
}

/** Secrets by name, and an ACK for them. */
async function take(sds: Delta): Promise<Map<string, Secret>> {
  const response = await sds.next();
  sds.write(ask({ responseNonce: response.nonce }));
  return secretsOf(response.resources.map(({ resource }) => resource!.value));
}

function secretsOf(values: readonly Uint8Array[]): Map<string, Secret> {
  return new Map(values.map((value) => fromBinary(SecretSchema, value)).map((secret) => [secret.name, secret]));
}

const text = (source: DataSource | undefined): string => Buffer.from(source!.specifier.value as Uint8Array).toString();

/** Certificate and key of `default`, which belong together. */
function ownOf(secret: Secret): X509Certificate {
  if (secret.type.case !== 'tlsCertificate') throw new Error(`${secret.name} is no certificate`);
  const certificate = new X509Certificate(text(secret.type.value.certificateChain));
  const key = createPublicKey(createPrivateKey(text(secret.type.value.privateKey)));
  expect(certificate.publicKey.equals(key)).toBe(true);
  return certificate;
}

/** How many roots each trust domain has in `ROOTCA`. */
function rootsOf(secret: Secret): Record<string, number> {
  if (secret.type.case !== 'validationContext') throw new Error(`${secret.name} is no validation context`);
  const { name, typedConfig } = secret.type.value.customValidatorConfig!;
  expect(name).toBe('envoy.tls.cert_validator.spiffe');
  const { trustDomains } = fromBinary(SPIFFECertValidatorConfigSchema, typedConfig!.value);
  return Object.fromEntries(
    trustDomains.map(({ name, trustBundle }) => [name, readPem(text(trustBundle), 'CERTIFICATE', name).length]),
  );
}

async function metrics(): Promise<string> {
  return (await doors.admin('GET', '/metrics')).text;
}

describe('SDS', () => {
  it('gives a proxy its own certificate and the roots, and says of every other name that there is none', async () => {
    doors = await MeshDoors.start();
    const sds = deltaSecrets(doors.tls());
    sds.write(ask({ resourceNamesSubscribe: ['default', 'ROOTCA', 'spiffe://cluster.local/ns/shop/sa/admin'] }));
    const response = await sds.next();
    expect(response.removedResources).toEqual(['spiffe://cluster.local/ns/shop/sa/admin']);
    const secrets = secretsOf(response.resources.map(({ resource }) => resource!.value));
    const own = ownOf(secrets.get('default')!);
    expect(own.subjectAltName).toBe(`URI:${shopOrders}`);
    expect(rootsOf(secrets.get('ROOTCA')!)).toEqual({ 'cluster.local': 1 });
    expect(doors.logged).toContain('which it does not get: there are default');
    expect(await metrics()).toContain('outrigger_identity_certificates_total{proof="sds",result="issued"} 1');
  });

  it('is for the identity of its stream: a node of another service gets nothing', async () => {
    doors = await MeshDoors.start();
    const { token } = JSON.parse((await doors.admin('POST', '/api/v1/tokens', { services: ['shop/admin'] })).text);
    const sds = deltaSecrets(doors.tls(), bearer(token as string));
    sds.write(ask({ resourceNamesSubscribe: ['default'] }));
    expect(await sds.failed).toMatchObject({ code: status.PERMISSION_DENIED });
  });

  it('by a join token is for as many node ids as it has uses, each as often as it comes', async () => {
    doors = await MeshDoors.start();
    const { token } = JSON.parse((await doors.admin('POST', '/api/v1/tokens', { services: ['shop/orders'] })).text);
    const open = (id: string): Delta => {
      const sds = deltaSecrets(doors.tls(), bearer(token as string));
      sds.write(ask({ node: node(id), resourceNamesSubscribe: ['default'] }));
      return sds;
    };
    for (let times = 0; times < 2; times++) expect((await open('envoy-1').next()).resources).toHaveLength(1);
    expect(await open('envoy-2').failed).toMatchObject({
      code: status.UNAUTHENTICATED,
      details: expect.stringContaining('is used up, and not by a proxy with this node.id'),
    });
  });

  it('by state of the world on a stream of its own: names that there are, and no answer for others', async () => {
    doors = await MeshDoors.start();
    const sds: OpenStream<DiscoveryRequest, DiscoveryResponse> = stream(
      doors.tls(),
      SecretDiscoveryService,
      'streamSecrets',
      bearer(doors.localToken),
    );
    sds.write(create(DiscoveryRequestSchema, { node: node(), resourceNames: ['nobody'] }));
    sds.write(create(DiscoveryRequestSchema, { resourceNames: ['nobody', 'default'] }));
    const response = await sds.next();
    expect(response.typeUrl).toBe(typeOrder.secret);
    const secrets = secretsOf(response.resources.map(({ value }) => value));
    expect([...secrets.keys()]).toEqual(['default']);
    await expect(
      unary(
        doors.tls(),
        SecretDiscoveryService,
        'fetchSecrets',
        create(DiscoveryRequestSchema),
        bearer(doors.localToken),
      ),
    ).rejects.toMatchObject({ code: status.UNIMPLEMENTED });
  });

  it('gives the streams of one proxy one certificate, and another proxy another', async () => {
    doors = await MeshDoors.start();
    const serial = async (id: string, service: 'ads' | 'sds'): Promise<string> => {
      const sds: Delta =
        service === 'sds'
          ? deltaSecrets(doors.tls())
          : stream(doors.tls(), AggregatedDiscoveryService, 'deltaAggregatedResources', bearer(doors.localToken));
      sds.write(ask({ node: node(id), resourceNamesSubscribe: ['default'] }));
      const own = ownOf((await take(sds)).get('default')!);
      sds.end();
      return own.serialNumber;
    };
    const first = await serial('envoy-1', 'sds');
    expect(await serial('envoy-1', 'ads')).toBe(first);
    expect(await serial('envoy-2', 'ads')).not.toBe(first);
  });

  it('federates: each trust domain with its own roots, from PEM and SPIFFE bundles, and follows the files', async () => {
    const one = join(folder, 'one.pem');
    const two = join(folder, 'two.json');
    writeFileSync(one, trustBundlePem(makeTrustBundle('one', createRoot('one', clock).roots)));
    writeFileSync(two, trustBundleDocument(makeTrustBundle('two', createRoot('two', clock).roots, 1)));
    doors = await MeshDoors.start({
      federated: [
        { trustDomain: 'one', file: one },
        { trustDomain: 'two', file: two },
      ],
    });
    const sds = deltaSecrets(doors.tls());
    sds.write(ask({ resourceNamesSubscribe: ['ROOTCA'] }));
    expect(rootsOf((await take(sds)).get('ROOTCA')!)).toEqual({ 'cluster.local': 1, one: 1, two: 1 });
    const roots = [createRoot('one', clock), createRoot('one', clock)].flatMap((root) => root.roots);
    writeFileSync(one, trustBundlePem(makeTrustBundle('one', roots)));
    expect(rootsOf((await doors.hasten(take(sds))).get('ROOTCA')!)).toEqual({ 'cluster.local': 1, one: 2, two: 1 });
  });

  it('shows no key: not in CSDS, the admin port, metrics or the log', async () => {
    doors = await MeshDoors.start();
    const ads: Delta = stream(
      doors.tls(),
      AggregatedDiscoveryService,
      'deltaAggregatedResources',
      bearer(doors.localToken),
    );
    ads.write(ask({ resourceNamesSubscribe: ['default', 'ROOTCA'] }));
    const own = (await take(ads)).get('default')!;
    if (own.type.case !== 'tlsCertificate') throw new Error('no certificate');
    const key = text(own.type.value.privateKey);
    const secretLine = key.split('\n')[1]!;
    const csds = await unary(
      doors.plain(),
      ClientStatusDiscoveryService,
      'fetchClientStatus',
      create(ClientStatusRequestSchema),
    );
    const shown = [
      JSON.stringify(csds, (_, value: unknown) =>
        typeof value === 'bigint' ? String(value) : value instanceof Uint8Array ? Buffer.from(value).toString() : value,
      ),
      ...(await Promise.all(
        ['/metrics', '/api/v1/proxies', '/api/v1/authority', '/api/v1/tokens'].map(
          async (path) => (await doors.admin('GET', path)).text,
        ),
      )),
      doors.logged,
    ];
    expect(shown[0]).toContain('ROOTCA');
    for (const each of shown) {
      expect(each).not.toContain('PRIVATE');
      expect(each).not.toContain(secretLine);
      expect(each).not.toContain(doors.localToken);
    }
  });
});

describe('SDS with certificates of a few seconds', () => {
  it('renews at half of their life, by pushing another', async () => {
    doors = await MeshDoors.start({ certificateLifetimeMs: 8_000 });
    const sds = deltaSecrets(doors.tls());
    sds.write(ask({ resourceNamesSubscribe: ['default'] }));
    const first = ownOf((await take(sds)).get('default')!);
    const second = ownOf((await doors.hasten(take(sds))).get('default')!);
    expect(second.serialNumber).not.toBe(first.serialNumber);
    const leftMs = Date.parse(first.validTo) - doors.clock.wallMs();
    expect(leftMs).toBeGreaterThan(0);
    expect(leftMs).toBeLessThan(6_000);
  });

  it('in a root rotation pushes the roots first, the new certificate when they are in use, and the old root’s end last', async () => {
    doors = await MeshDoors.start({ certificateLifetimeMs: 4_000 });
    const sds = deltaSecrets(doors.tls());
    sds.write(ask({ resourceNamesSubscribe: ['default', 'ROOTCA'] }));
    const begin = await take(sds);
    const oldIssuer = ownOf(begin.get('default')!).issuer;
    expect((await doors.admin('POST', '/api/v1/authority/rotate', {})).status).toBe(200);
    const seen: string[] = [];
    let roots = 1;
    while (!seen.includes('roots 1')) {
      for (const [name, secret] of await doors.hasten(take(sds))) {
        if (name === 'ROOTCA') {
          roots = rootsOf(secret)['cluster.local']!;
          seen.push(`roots ${roots}`);
        } else {
          const fromNew = ownOf(secret).issuer !== oldIssuer;
          if (fromNew && !seen.includes('new certificate')) seen.push('new certificate');
          // Never one that somebody with the roots of that moment would refuse.
          expect(fromNew ? roots : 2).toBeGreaterThanOrEqual(seen.includes('roots 1') ? 1 : fromNew ? 2 : 1);
        }
      }
    }
    expect(seen).toEqual(['roots 2', 'new certificate', 'roots 1']);
    expect(await metrics()).toContain('outrigger_authority_rotation_phase{phase="steady"} 1');
  });

  it('waits with a root rotation for a proxy that has not said that it uses the new roots', async () => {
    doors = await MeshDoors.start({ certificateLifetimeMs: 4_000 });
    const silent = deltaSecrets(doors.tls());
    silent.write(ask({ node: node('silent'), resourceNamesSubscribe: ['default', 'ROOTCA'] }));
    await take(silent);
    const beganMs = doors.clock.wallMs();
    await doors.admin('POST', '/api/v1/authority/rotate', {});
    const distributing = async (): Promise<boolean> =>
      (await metrics()).includes('outrigger_authority_rotation_phase{phase="distributing"} 1');
    expect(await distributing()).toBe(true);
    while (await distributing()) doors.clock.leap(100);
    // Its certificate's whole life, and as much again for clocks that differ.
    expect(doors.clock.wallMs() - beganMs).toBeGreaterThan(7_000);
  });
});
