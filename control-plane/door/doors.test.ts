/** The two doors of a whole control plane: who is let in, as whom, and for how long. Real TLS and gRPC; the names of the tests say who calls. */
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { type Socket, connect as tcpConnect } from 'node:net';
import { join } from 'node:path';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { type Client, Metadata, status } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createRoot } from '../../certs/authority/create-root.ts';
import { issuingClock } from '../../certs/authority/issuing-clock.ts';
import { signLeaf } from '../../certs/authority/sign-leaf.ts';
import { parseSpiffeId } from '../../certs/spiffe/spiffe-id.ts';
import { buildCertificate, emptyName, randomSerial } from '../../certs/x509/build-certificate.ts';
import { readCertificate } from '../../certs/x509/certificate.ts';
import { keyUsageBit } from '../../certs/x509/extensions.ts';
import { publicKeyDer, subjectKeyIdentifier } from '../../certs/x509/public-key.ts';
import { NodeSchema } from '../../proto/generated/envoy/config/core/v3/base_pb.js';
import { AggregatedDiscoveryService } from '../../proto/generated/envoy/service/discovery/v3/ads_pb.js';
import {
  type DeltaDiscoveryRequest,
  DeltaDiscoveryRequestSchema,
  type DeltaDiscoveryResponse,
} from '../../proto/generated/envoy/service/discovery/v3/discovery_pb.js';
import {
  ClientStatusDiscoveryService,
  ClientStatusRequestSchema,
  type ClientStatusResponse,
} from '../../proto/generated/envoy/service/status/v3/csds_pb.js';
import { Health, HealthCheckRequestSchema } from '../../proto/generated/health/v1/health_pb.js';
import { IdentityService, SignRequestSchema } from '../../proto/generated/outrigger/identity/v1/identity_pb.js';
import {
  DeregisterRequestSchema,
  HeartbeatRequestSchema,
  InstanceSchema,
  RegisterRequestSchema,
  type RegisterResponse,
  RegistryService,
} from '../../proto/generated/outrigger/registry/v1/registry_pb.js';
import { grpcService } from '../../proto/grpc-service.ts';
import { typeOrder } from '../xds-server/served-resource.ts';
import { bearer, type Held, MeshDoors, type OpenStream, shopOrders, stream, unary } from './mesh-doors.test-data.ts';

const shopAdmin = 'spiffe://cluster.local/ns/shop/sa/admin';
const clock = issuingClock(Date.now);
let doors: MeshDoors;

afterEach(() => doors.stop());

type Ads = OpenStream<DeltaDiscoveryRequest, DeltaDiscoveryResponse>;

function ask(fields: MessageInitShape<typeof DeltaDiscoveryRequestSchema> = {}, cluster = 'shop/orders') {
  return create(DeltaDiscoveryRequestSchema, {
    node: create(NodeSchema, { id: 'one', cluster, userAgentName: 'envoy' }),
    typeUrl: typeOrder.cluster,
    ...fields,
  });
}

function openAds(client: Client, metadata: Metadata = new Metadata(), cluster = 'shop/orders'): Ads {
  const ads: Ads = stream(client, AggregatedDiscoveryService, 'deltaAggregatedResources', metadata);
  ads.write(ask({}, cluster));
  return ads;
}

/** Names of the clusters that come, or the code and words of the refusal. */
async function outcome(ads: Ads): Promise<string> {
  try {
    return (await ads.next()).resources.map(({ name }) => name).join(' ');
  } catch (error) {
    const { code, details } = error as { readonly code: status; readonly details: string };
    return `${status[code]}: ${details}`;
  }
}

const served = 'outbound|80||orders.shop';

describe('the TLS door', () => {
  beforeEach(async () => {
    doors = await MeshDoors.start();
  });

  it('serves the proxy whose certificate agrees with its node', async () => {
    expect(await outcome(openAds(doors.tls(await doors.certificate())))).toContain(served);
    expect(doors.logged).toContain(`(delta, ${shopOrders})`);
  });

  it('serves nobody without proof, and says what it takes', async () => {
    expect(await outcome(openAds(doors.tls()))).toMatch(
      /^UNAUTHENTICATED: this takes a client certificate of this mesh/,
    );
  });

  it('ends the stream of an account that is taken out of the Service', async () => {
    const ads = openAds(doors.tls(await doors.certificate()));
    expect(await outcome(ads)).toContain(served);
    const file = join(doors.folder, 'mesh.yaml');
    writeFileSync(file, readFileSync(file, 'utf8').replace('spec: {', 'spec: { serviceAccounts: [others],'));
    expect(await ads.failed).toMatchObject({
      code: status.PERMISSION_DENIED,
      details: expect.stringContaining('sa/others'),
    });
  });

  it('refuses a node that the certificate is not for, and says both', async () => {
    const refused = await outcome(openAds(doors.tls(await doors.certificate(shopAdmin))));
    expect(refused).toMatch(/^PERMISSION_DENIED: node\.cluster says shop\/orders/);
    expect(refused).toContain(shopOrders);
    expect(refused).toContain(shopAdmin);
    const other = await outcome(openAds(doors.tls(await doors.certificate()), new Metadata(), 'bank/orders'));
    expect(other).toContain('spiffe://cluster.local/ns/bank/sa/orders');
    expect(await metrics('outrigger_door_refused_total{reason="not-allowed"}')).toBe('2');
  });

  it('takes a join token for its own identity only, uses nothing up, and knows when it is revoked', async () => {
    const made = await doors.admin('POST', '/api/v1/tokens', { services: ['shop/orders'] });
    const { token, id } = JSON.parse(made.text) as { readonly token: string; readonly id: string };
    for (let times = 0; times < 3; times++)
      expect(await outcome(openAds(doors.tls(), bearer(token)))).toContain(served);
    expect(await outcome(openAds(doors.tls(), bearer(token), 'shop/admin'))).toContain('PERMISSION_DENIED');
    const live = openAds(doors.tls(), bearer(token));
    await live.next();
    await doors.admin('POST', '/api/v1/tokens/revoke', { id });
    expect(await doors.hasten(live.failed)).toMatchObject({
      code: status.UNAUTHENTICATED,
      details: expect.stringContaining('revoked'),
    });
    expect(await outcome(openAds(doors.tls(), bearer(token)))).toContain('UNAUTHENTICATED');
  });

  it('takes a token no more on streams once it has brought its certificate', async () => {
    const made = await doors.admin('POST', '/api/v1/tokens', { services: ['shop/orders'] });
    const { token } = JSON.parse(made.text) as { readonly token: string };
    await doors.certificate(shopOrders, token);
    expect(await outcome(openAds(doors.tls(), bearer(token)))).toMatch(/^UNAUTHENTICATED: the join token .* used up/);
  });

  it.each([
    ['Bearer', 'is not "Bearer TOKEN"'],
    ['Basic b3JkZXJz', 'is not "Bearer TOKEN"'],
    ['Bearer ojt_0000000000000000_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA', 'is not known'],
    ['Bearer a.b.c', 'takes no Kubernetes tokens'],
  ])('refuses the header %s', async (value, words) => {
    const metadata = new Metadata();
    metadata.set('authorization', value);
    const refused = await outcome(openAds(doors.tls(), metadata));
    expect(refused).toContain('UNAUTHENTICATED');
    expect(refused).toContain(words);
  });

  it('gives the local token every service account but the control plane’s own', async () => {
    expect(await outcome(openAds(doors.tls(), bearer(doors.localToken)))).toContain(served);
    expect(await outcome(openAds(doors.tls(), bearer(doors.localToken), 'outrigger/control-plane'))).toContain(
      'PERMISSION_DENIED',
    );
    await expect(doors.certificate('spiffe://cluster.local/ns/outrigger/sa/control-plane')).rejects.toMatchObject({
      code: status.PERMISSION_DENIED,
    });
  });

  it('answers health without proof, and nothing else', async () => {
    expect(await unary(doors.tls(), Health, 'check', create(HealthCheckRequestSchema))).toMatchObject({ status: 1 });
    for (const [service, method, message] of [
      [ClientStatusDiscoveryService, 'fetchClientStatus', create(ClientStatusRequestSchema)],
      [RegistryService, 'heartbeat', create(HeartbeatRequestSchema)],
    ] as const)
      await expect(unary(doors.tls(), service, method, message)).rejects.toMatchObject({
        code: status.UNAUTHENTICATED,
      });
  });

  it('shows by CSDS the proxies of the caller’s own identity', async () => {
    const client = doors.tls(await doors.certificate());
    await openAds(client).next();
    const shown = async (caller: Client): Promise<number> =>
      (
        await unary<ClientStatusResponse>(
          caller,
          ClientStatusDiscoveryService,
          'fetchClientStatus',
          create(ClientStatusRequestSchema),
        )
      ).config.length;
    expect(await shown(client)).toBe(1);
    expect(await shown(doors.tls(await doors.certificate(shopAdmin)))).toBe(0);
    expect(await shown(doors.plain())).toBe(1);
  });

  it('ends a call that sends too much, and goes on with the others', async () => {
    const client = doors.tls(await doors.certificate());
    const good = openAds(client);
    await good.next();
    const bad = openAds(client);
    bad.write(ask({ resourceNamesSubscribe: ['x'.repeat(5 * 1024 * 1024)] }));
    expect(await bad.failed).toMatchObject({ code: status.RESOURCE_EXHAUSTED });
    good.write(ask({ typeUrl: typeOrder.secret, resourceNamesSubscribe: ['ROOTCA'] }));
    expect((await good.next()).resources[0]!.name).toBe('ROOTCA');
  });

  it('waits for the request of an unproven call for a few seconds only, and for so many at a time', async () => {
    const client = doors.tls();
    const open = (): Promise<{ readonly code: status }> =>
      new Promise((resolve) => {
        const { path, requestSerialize, responseDeserialize } = grpcService(IdentityService)['sign']!;
        client
          .makeClientStreamRequest(path, requestSerialize, responseDeserialize, (error) => resolve(error!))
          .on('error', () => {});
      });
    const refused: unknown[] = [];
    const calls = Array.from({ length: 70 }, open);
    const tooMany = Promise.withResolvers<void>();
    for (const call of calls)
      void call.then((outcome) => {
        refused.push(outcome);
        if (refused.length === 6) tooMany.resolve();
      });
    // They come one after the other: when the last are refused, all others are in.
    await tooMany.promise;
    doors.clock.leap(5_000);
    const outcomes = await Promise.all(calls);
    const count = (code: status): number => outcomes.filter((outcome) => outcome.code === code).length;
    expect([count(status.RESOURCE_EXHAUSTED), count(status.DEADLINE_EXCEEDED)]).toEqual([6, 64]);
    expect(await unary(client, Health, 'check', create(HealthCheckRequestSchema))).toMatchObject({ status: 1 });
    await doors.certificate();
  });

  it('serves on while others stall in their handshake, or talk nonsense', async () => {
    const strangers: Socket[] = [];
    for (let index = 0; index < 100; index++) {
      const socket = tcpConnect(doors.plane.tlsPort!, '127.0.0.1');
      socket.on('error', () => {});
      if (index % 2 === 0)
        socket.write(index % 4 === 0 ? 'GET / HTTP/1.1\r\n\r\n' : Buffer.from([0x16, 3, 1, 2, 0, 1]));
      strangers.push(socket);
    }
    expect(await outcome(openAds(doors.tls(await doors.certificate())))).toContain(served);
    for (const socket of strangers) socket.destroy();
  });

  describe('refuses, for what is wrong with it, a client certificate', () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });

    function shaped(fields: Partial<Parameters<typeof buildCertificate>[0]>): Held {
      const authority = doors.stolenAuthority();
      const signer = authority.chain[0]!;
      const der = buildCertificate(
        {
          serial: randomSerial(clock.randomBytes),
          issuer: signer.subject,
          subject: emptyName,
          notBeforeMs: Date.now() - 60_000,
          notAfterMs: Date.now() + 3_600_000,
          publicKey: publicKeyDer(publicKey),
          uri: shopOrders,
          keyUsage: keyUsageBit.digitalSignature,
          pathLength: null,
          authorityKeyId: signer.extensions.subjectKeyId ?? subjectKeyIdentifier(signer.publicKeyDer),
          ...fields,
        },
        authority.key,
      );
      return { chain: [der], key: privateKey };
    }

    it.each<readonly [string, () => Held, string]>([
      [
        'of another trust domain',
        () => shaped({ uri: 'spiffe://other/ns/shop/sa/orders' }),
        'is not of the trust domain',
      ],
      [
        'that is not yet valid',
        () => shaped({ notBeforeMs: Date.now() + 1_800_000 }),
        'a client certificate of this mesh',
      ],
      ['that has expired', () => shaped({ notAfterMs: Date.now() - 1_000 }), 'a client certificate of this mesh'],
      ['that is an authority’s', () => shaped({ pathLength: 0 }), 'an authority does not speak for itself'],
      ['with a key usage of another kind', () => shaped({ keyUsage: keyUsageBit.keyEncipherment }), 'certificate'],
      ['whose name has dots', () => shaped({ uri: 'spiffe://cluster.local/ns/../sa/orders' }), 'segment of dots'],
      [
        'whose trust domain is in capitals',
        () => shaped({ uri: 'spiffe://Cluster.local/ns/shop/sa/orders' }),
        'no SPIFFE ID',
      ],
      [
        'of a root that only has the same trust domain',
        () => {
          const leaf = signLeaf(
            createRoot('cluster.local', clock),
            publicKeyDer(publicKey),
            parseSpiffeId(shopOrders),
            60_000,
            clock,
          );
          return { chain: leaf.chain, key: privateKey };
        },
        'a client certificate of this mesh',
      ],
    ])('%s', async (_, held, words) => {
      const refused = await outcome(openAds(doors.tls(held())));
      expect(refused).toMatch(/^UNAUTHENTICATED/);
      expect(refused).toContain(words);
    });

    it('of a root that was taken out of trust while its connection lived', async () => {
      const ads = openAds(doors.tls(await doors.certificate()));
      await ads.next();
      for (const force of [false, true, true]) await doors.admin('POST', '/api/v1/authority/rotate', { force });
      expect(await doors.hasten(ads.failed)).toMatchObject({
        code: status.UNAUTHENTICATED,
        details: expect.stringContaining('is trusted no more'),
      });
    });
  });
});

describe('registration', () => {
  beforeEach(async () => {
    doors = await MeshDoors.start();
  });

  const instance = { namespace: 'shop', service: 'orders', instanceId: 'one', address: '10.0.0.7', port: 15_006 };
  const register = (client: Client, fields: MessageInitShape<typeof InstanceSchema> = {}): Promise<RegisterResponse> =>
    unary(
      client,
      RegistryService,
      'register',
      create(RegisterRequestSchema, { instance: create(InstanceSchema, { ...instance, ...fields }) }),
    );

  it('over TLS takes what agrees with the certificate, and keeps the identity over a restart', async () => {
    const client = doors.tls(await doors.certificate());
    await register(client);
    await expect(register(client, { service: 'payments' })).rejects.toMatchObject({
      code: status.PERMISSION_DENIED,
      details: expect.stringMatching(
        /^instance says shop\/payments, which takes .*sa\/payments, and the caller is .*sa\/orders/,
      ),
    });
    await doors.stopPlane();
    const [stored] = JSON.parse(doors.read('instances.json')) as Array<{ readonly identity: string }>;
    expect(stored!.identity).toBe(shopOrders);
    await doors.startPlane();
    await doors.stopPlane();
    expect(JSON.parse(doors.read('instances.json'))).toEqual([stored]);
    await doors.startPlane();
  });

  it('over the plain door has no identity, and changes nothing that has one', async () => {
    const withIdentity = await register(doors.tls(await doors.certificate()));
    const plain = doors.plain();
    await register(plain, { instanceId: 'two' });
    const refused = {
      code: status.PERMISSION_DENIED,
      details: expect.stringContaining('only the TLS door may change it'),
    };
    await expect(register(plain)).rejects.toMatchObject(refused);
    for (const [method, schema] of [
      ['heartbeat', HeartbeatRequestSchema],
      ['deregister', DeregisterRequestSchema],
    ] as const)
      await expect(
        unary(plain, RegistryService, method, create(schema, { leaseId: withIdentity.leaseId })),
      ).rejects.toMatchObject(refused);
  });

  it('over TLS lets nobody keep or end another service’s lease', async () => {
    const { leaseId } = await register(doors.tls(await doors.certificate()));
    const other = doors.tls(await doors.certificate(shopAdmin));
    await expect(
      unary(other, RegistryService, 'heartbeat', create(HeartbeatRequestSchema, { leaseId })),
    ).rejects.toMatchObject({ code: status.PERMISSION_DENIED });
    await expect(
      unary(other, RegistryService, 'deregister', create(DeregisterRequestSchema, { leaseId })),
    ).rejects.toMatchObject({ code: status.PERMISSION_DENIED });
  });
});

describe('certificates of two seconds', () => {
  beforeEach(async () => {
    doors = await MeshDoors.start({ certificateLifetimeMs: 2_000 });
  });

  it('end their streams when they do, though nothing is sent', async () => {
    const held = await doors.certificate();
    const ads = openAds(doors.tls(held));
    await ads.next();
    const error = await doors.hasten(ads.failed);
    expect(error).toMatchObject({ code: status.UNAUTHENTICATED, details: expect.stringContaining('expired at') });
    const lateMs = doors.clock.wallMs() - readCertificate(held.chain[0]!).notAfterMs;
    expect(lateMs).toBeGreaterThan(-1_000);
    expect(lateMs).toBeLessThan(10_000);
    expect(await metrics('outrigger_door_refused_total{reason="lapsed"}')).toBe('1');
  });
});

describe('the plain door', () => {
  beforeEach(async () => {
    doors = await MeshDoors.start();
  });

  it('serves configuration as ever, has no identity service, and gives no secrets', async () => {
    const client = doors.plain();
    const ads = openAds(client);
    expect(await outcome(ads)).toContain(served);
    ads.write(ask({ typeUrl: typeOrder.secret, resourceNamesSubscribe: ['default', 'ROOTCA'] }));
    expect(await ads.next()).toMatchObject({
      typeUrl: typeOrder.secret,
      resources: [],
      removedResources: ['default', 'ROOTCA'],
    });
    expect(doors.logged).toContain('connect by TLS (15012)');
    await expect(unary(client, IdentityService, 'sign', create(SignRequestSchema))).rejects.toMatchObject({
      code: status.UNIMPLEMENTED,
    });
  });
});

describe('the plain door, which does not know who calls,', () => {
  beforeEach(async () => {
    doors = await MeshDoors.start();
  });

  it('takes 128 streams of one node, tells one more why not and counts it, and takes it when one has ended; and any of others', async () => {
    const client = doors.plain();
    const all = Array.from({ length: 128 }, () => openAds(client));
    for (const ads of all) expect(await outcome(ads)).toContain(served);
    expect(await outcome(openAds(client))).toBe(
      'RESOURCE_EXHAUSTED: "one" of shop/orders has too many streams at once; each process needs a node.id of its own',
    );
    expect(await metrics('outrigger_door_refused_total{reason="too-many-streams-of-one"}')).toBe('1');
    expect(await outcome(openAds(client, new Metadata(), 'shop/payments'))).toContain(served);
    expect(await outcome(openAds(doors.tls(await doors.certificate())))).toContain(served);
    all[0]!.end();
    await expect.poll(() => outcome(openAds(client))).toContain(served);
  });
});

describe('a restart', () => {
  beforeEach(async () => {
    doors = await MeshDoors.start();
  });

  it('keeps the authority, certificates and join tokens, and makes another local token', async () => {
    const { token } = JSON.parse(
      (await doors.admin('POST', '/api/v1/tokens', { services: ['shop/orders'], uses: 2 })).text,
    ) as {
      readonly token: string;
    };
    const held = await doors.certificate(shopOrders, token);
    const { localToken } = doors;
    const bundle = doors.read('trust-bundle.pem');
    await doors.stopPlane();
    expect(() => doors.localToken).toThrow('ENOENT');
    await doors.startPlane();
    expect(doors.read('trust-bundle.pem')).toBe(bundle);
    expect(await outcome(openAds(doors.tls(held)))).toContain(served);
    await doors.certificate(shopOrders, token);
    await expect(doors.certificate(shopOrders, token)).rejects.toMatchObject({
      details: expect.stringContaining('used up'),
    });
    await expect(doors.certificate(shopOrders, localToken)).rejects.toMatchObject({ code: status.UNAUTHENTICATED });
  });
});

async function metrics(name: string): Promise<string> {
  const { text } = await doors.admin('GET', '/metrics');
  return (
    text
      .split('\n')
      .find((line) => line.startsWith(`${name} `))
      ?.split(' ')
      .at(-1) ?? ''
  );
}
