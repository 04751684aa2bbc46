/** The identity service over real TLS: who gets what, who is refused and how, and what watchers are told. */
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as tlsConnect } from 'node:tls';
import { create } from '@bufbuild/protobuf';
import {
  Client,
  type ClientDuplexStream,
  credentials,
  Server,
  type ServiceError,
  status,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CertificateAuthority } from '../../certs/authority/certificate-authority.ts';
import { createRoot } from '../../certs/authority/create-root.ts';
import { issuingClock } from '../../certs/authority/issuing-clock.ts';
import { JoinTokens } from '../../certs/join-token/join-tokens.ts';
import type { FleetEvidence } from '../../certs/rotation/root-rotation.ts';
import { serviceAccountId } from '../../certs/spiffe/spiffe-id.ts';
import { makeTrustBundle, trustBundlePem } from '../../certs/spiffe/trust-bundle.ts';
import { TrustedBundles } from '../../certs/spiffe/trusted-bundles.ts';
import { leafIdentity } from '../../certs/spiffe/verify-svid.ts';
import { readCertificate } from '../../certs/x509/certificate.ts';
import { buildCertificationRequest } from '../../certs/x509/certification-request.ts';
import { writePem } from '../../certs/x509/pem.ts';
import {
  IdentityService as IdentityServiceDescriptor,
  type SignRequest,
  SignRequestSchema,
  type SignResponse,
  type WatchBundleRequest,
  WatchBundleRequestSchema,
  type WatchBundleResponse,
} from '../../proto/generated/outrigger/identity/v1/identity_pb.js';
import { grpcService } from '../../proto/grpc-service.ts';
import { RefusalLog } from '../door/refusal-log.ts';
import { BundleWatchers } from './bundle-watchers.ts';
import { IdentityMetrics } from './identity-metrics.ts';
import { IdentityService } from './identity-service.ts';
import { kubernetesToken } from './kubernetes-token.test-data.ts';
import { MeshServerCredentials } from './server-credentials.ts';
import { SigningRate } from './signing-rate.ts';
import { TokenReview } from './token-review.ts';

const td = 'cluster.local';
const orders = serviceAccountId(td, 'shop', 'orders');
const methods = grpcService(IdentityServiceDescriptor);
const log = pino({ level: 'silent' });

interface Held {
  readonly chain: readonly Uint8Array[];
  readonly key: KeyObject;
}

let nowMs = 0;
let folder = '';
let authority: CertificateAuthority;
let joinTokens: JoinTokens;
let service: IdentityService;
let watchers: BundleWatchers;
let metrics: IdentityMetrics;
let server: Server;
let serverCredentials: MeshServerCredentials;
let port = 0;
let timers: Array<() => void> = [];
const clients: Client[] = [];
const clock = issuingClock(() => nowMs);

beforeEach(async () => {
  nowMs = Date.now();
  timers = [];
  folder = mkdtempSync(join(tmpdir(), 'outrigger-identity-'));
  authority = new CertificateAuthority({
    folder: join(folder, 'authority'),
    trustDomain: td,
    clock,
    operatorAuthority: null,
  });
  joinTokens = new JoinTokens(join(folder, 'authority'), td, clock);
  const bundles = new TrustedBundles(() => authority.bundle());
  bundles.federate(makeTrustBundle('other', createRoot('other', clock).roots, 5));
  const tokenReview = new TokenReview({
    apiServer: 'https://kubernetes',
    bearerToken: () => '',
    audience: 'outrigger',
    fetch: async (_, { body }) => ({
      status: 201,
      text: async () =>
        JSON.stringify({
          status: {
            authenticated: body.includes('.good"'),
            audiences: ['outrigger'],
            user: { username: 'system:serviceaccount:shop:orders' },
          },
        }),
    }),
  });
  watchers = new BundleWatchers(authority.holders, () => nowMs, 60_000);
  authority.onChange(() => watchers.sendAll());
  metrics = new IdentityMetrics();
  service = new IdentityService({
    authority,
    bundles,
    joinTokens,
    tokenReview,
    watchers,
    metrics,
    rate: new SigningRate(() => nowMs, 24 * 3_600_000),
    nowMs: () => nowMs,
    log,
    refusalLog: new RefusalLog(log, () => () => {}),
  });
  server = new Server();
  server.addService(methods, service.implementation as unknown as UntypedServiceImplementation);
  const timer = { nowMs: () => nowMs, after: (_: number, callback: () => void) => (timers.push(callback), () => {}) };
  serverCredentials = new MeshServerCredentials(
    authority,
    serviceAccountId(td, 'outrigger', 'control-plane'),
    timer,
    (error) => {
      throw error;
    },
  );
  port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', serverCredentials, (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
});

afterEach(() => {
  for (const client of clients.splice(0)) client.close();
  server.forceShutdown();
  serverCredentials.close();
  authority.close();
  rmSync(folder, { recursive: true });
});

function connect(held: Held | null): Client {
  const roots = Buffer.from(trustBundlePem(authority.bundle()));
  const options = { checkServerIdentity: () => undefined };
  const secure =
    held === null
      ? credentials.createSsl(roots, null, null, options)
      : credentials.createSsl(
          roots,
          Buffer.from(held.key.export({ format: 'pem', type: 'pkcs8' })),
          Buffer.from(writePem('CERTIFICATE', ...held.chain)),
          options,
        );
  const client = new Client(`127.0.0.1:${port}`, secure, {
    // Node 26 takes no address as a server name, and grpc-js would send one.
    'grpc.ssl_target_name_override': 'control-plane.test',
    'grpc.use_local_subchannel_pool': 1,
  });
  clients.push(client);
  return client;
}

const keys = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
const certificationRequest = buildCertificationRequest(keys.privateKey, keys.publicKey);

function sign(
  client: Client,
  proof: SignRequest['proof'],
  spiffeId = '',
  csr = certificationRequest,
): Promise<SignResponse> {
  const { path, requestSerialize, responseDeserialize } = methods['sign']!;
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      create(SignRequestSchema, { certificationRequest: csr, spiffeId, proof }),
      (error: ServiceError | null, response) => {
        if (error === null) resolve(response as SignResponse);
        else reject(error);
      },
    );
  });
}

function watch(client: Client): ClientDuplexStream<WatchBundleRequest, WatchBundleResponse> {
  const { path, requestSerialize, responseDeserialize } = methods['watchBundle']!;
  return client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize) as unknown as ClientDuplexStream<
    WatchBundleRequest,
    WatchBundleResponse
  >;
}

/** What a stream gives, one after the other; rejects at its error. */
function reader(
  stream: ClientDuplexStream<WatchBundleRequest, WatchBundleResponse>,
): () => Promise<WatchBundleResponse> {
  const iterator = stream[Symbol.asyncIterator]() as AsyncIterator<WatchBundleResponse>;
  return async () => (await iterator.next()).value as WatchBundleResponse;
}

const joinToken = (uses = 1): SignRequest['proof'] => ({
  case: 'joinToken',
  value: joinTokens.create({ identities: [orders], uses }).token,
});
const renewal: SignRequest['proof'] = {
  case: 'connectionCertificate',
  value: { $typeName: 'outrigger.identity.v1.ConnectionCertificate' },
};

describe('IdentityService/Sign', () => {
  it('gives a certificate and the bundles for a join token, over a connection without a certificate', async () => {
    const response = await sign(connect(null), joinToken());
    const leaf = readCertificate(response.chain[0]!);
    expect(leafIdentity(leaf, 'client', nowMs)).toEqual(orders);
    expect(Number(response.notAfterSeconds) * 1000).toBe(leaf.notAfterMs);
    expect(response.authorityId).toBe(authority.signingId);
    expect(response.bundles.map(({ trustDomain, sequence }) => [trustDomain, sequence])).toEqual([
      [td, 1n],
      ['other', 5n],
    ]);
  });

  it('gives the service account’s identity for a Kubernetes token', async () => {
    const response = await sign(
      connect(null),
      { case: 'kubernetesToken', value: kubernetesToken('good') },
      orders.text,
    );
    expect(readCertificate(response.chain[0]!).extensions.uris).toEqual([orders.text]);
  });

  it('renews by the connection’s certificate: the same identity, another serial number', async () => {
    const first = await sign(connect(null), joinToken());
    const second = await sign(connect({ chain: first.chain, key: keys.privateKey }), renewal);
    expect(readCertificate(second.chain[0]!).extensions.uris).toEqual([orders.text]);
    expect(readCertificate(second.chain[0]!).serial).not.toBe(readCertificate(first.chain[0]!).serial);
    expect(metrics.certificates).toContainEqual({ labels: { proof: 'certificate', result: 'issued' }, value: 1 });
    const lines = readFileSync(join(folder, 'authority/issuing.log'), 'utf8').trimEnd().split('\n');
    expect(lines.map((line) => (JSON.parse(line) as { readonly proof: string }).proof)).toEqual([
      'control_plane',
      'join_token',
      'certificate',
    ]);
    // One holder of two certificates: a root rotation waits for it once.
    expect([...authority.holders]).toHaveLength(1);
  });

  it.each<readonly [string, status, string, () => SignRequest['proof'], string]>([
    ['no proof', status.UNAUTHENTICATED, 'there is no proof', () => ({ case: undefined }), ''],
    ['an unknown join token', status.UNAUTHENTICATED, 'is not known', () => ({ case: 'joinToken', value: 'x' }), ''],
    [
      'a Kubernetes token that Kubernetes does not know',
      status.UNAUTHENTICATED,
      'does not know the token',
      () => ({ case: 'kubernetesToken', value: kubernetesToken('bad') }),
      '',
    ],
    [
      'renewal without a certificate',
      status.UNAUTHENTICATED,
      'no certificate that this mesh has signed',
      () => renewal,
      '',
    ],
    [
      'somebody else’s identity for a join token',
      status.PERMISSION_DENIED,
      'is not for',
      joinToken,
      'spiffe://cluster.local/ns/shop/sa/admin',
    ],
    [
      'somebody else’s identity for a Kubernetes token',
      status.PERMISSION_DENIED,
      'was asked for',
      () => ({ case: 'kubernetesToken', value: kubernetesToken('good') }),
      'spiffe://cluster.local/ns/shop/sa/admin',
    ],
    ['what is no SPIFFE ID', status.INVALID_ARGUMENT, 'is no SPIFFE ID', joinToken, 'orders'],
  ])('refuses %s', async (_, code, details, proof, wanted) => {
    await expect(sign(connect(null), proof(), wanted)).rejects.toMatchObject({
      code,
      details: expect.stringContaining(details),
    });
  });

  it('refuses somebody else’s identity at renewal', async () => {
    const { chain } = await sign(connect(null), joinToken());
    await expect(
      sign(connect({ chain, key: keys.privateKey }), renewal, 'spiffe://cluster.local/ns/shop/sa/admin'),
    ).rejects.toMatchObject({ code: status.PERMISSION_DENIED });
  });

  it('refuses renewal by a certificate that another authority of the same name signed, and by one that expired on the connection', async () => {
    const stranger = new CertificateAuthority({
      folder: join(folder, 'stranger'),
      trustDomain: td,
      clock,
      operatorAuthority: null,
    });
    const { chain } = stranger.sign(keys.publicKey.export({ format: 'der', type: 'spki' }), orders, {
      proof: 'join_token',
      peer: '',
    });
    stranger.close();
    await expect(sign(connect({ chain, key: keys.privateKey }), renewal)).rejects.toMatchObject({
      code: status.UNAUTHENTICATED,
    });
    const good = await sign(connect(null), joinToken());
    const client = connect({ chain: good.chain, key: keys.privateKey });
    await sign(client, renewal);
    nowMs += 25 * 3_600_000;
    await expect(sign(client, renewal)).rejects.toMatchObject({
      code: status.UNAUTHENTICATED,
      details: expect.stringContaining('expired at'),
    });
  });

  it('refuses renewal by a certificate whose root was taken out of trust while its connection lived', async () => {
    const { chain } = await sign(connect(null), joinToken());
    const client = connect({ chain, key: keys.privateKey });
    await sign(client, renewal);
    authority.rotate();
    authority.force();
    authority.force();
    await expect(sign(client, renewal)).rejects.toMatchObject({
      code: status.UNAUTHENTICATED,
      details: expect.stringContaining('is trusted no more'),
    });
  });

  it('gives the control plane’s own identity to nobody, whatever the proof', async () => {
    const own = serviceAccountId(td, 'outrigger', 'control-plane');
    const { chain } = authority.sign(keys.publicKey.export({ format: 'der', type: 'spki' }), own, {
      proof: 'control_plane',
      peer: '',
    });
    await expect(sign(connect({ chain, key: keys.privateKey }), renewal)).rejects.toMatchObject({
      code: status.PERMISSION_DENIED,
    });
  });

  it('refuses a proxy that renews again and again, through all its certificates, and counts it', async () => {
    let { chain } = await sign(connect(null), joinToken());
    for (let times = 0; times < 20; times++)
      ({ chain } = await sign(connect({ chain, key: keys.privateKey }), renewal));
    await expect(sign(connect({ chain, key: keys.privateKey }), renewal)).rejects.toMatchObject({
      code: status.RESOURCE_EXHAUSTED,
      details: expect.stringContaining('asks for certificates too often'),
    });
    expect(metrics.certificates).toContainEqual({ labels: { proof: 'certificate', result: 'exhausted' }, value: 1 });
    nowMs += 10_000;
    await sign(connect({ chain, key: keys.privateKey }), renewal);
  });

  it('does not use a token up for a request that is no good', async () => {
    const proof = joinToken();
    await expect(sign(connect(null), proof, '', Uint8Array.of(1, 2, 3))).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: expect.stringContaining('not valid DER'),
    });
    await sign(connect(null), proof);
  });
});

describe('IdentityService/WatchBundle', () => {
  it('refuses who has no certificate', async () => {
    const stream = watch(connect(null));
    await expect(reader(stream)()).rejects.toMatchObject({ code: status.UNAUTHENTICATED });
  });

  it('tells the bundles at every change, and gives a rotation its evidence until the watcher goes', async () => {
    const { chain } = await sign(connect(null), joinToken());
    const stream = watch(connect({ chain, key: keys.privateKey }));
    const next = reader(stream);
    const old = authority.signingId;
    expect((await next()).bundles[0]!.roots).toHaveLength(1);
    authority.rotate();
    const both = await next();
    expect([both.bundles[0]!.roots.length, both.authorityId]).toEqual([2, old]);
    expect(evidence()).toEqual({ holders: 1, withBundle: 0, moved: 0 });
    stream.write(
      create(WatchBundleRequestSchema, { appliedSequence: both.bundles[0]!.sequence, certificateAuthorityId: old }),
    );
    await until(() => evidence().withBundle === 1);
    nowMs += 120_000;
    expect(authority.advance(evidence())).toBe(true);
    const switched = await next();
    expect(switched.authorityId).toBe(authority.signingId);
    expect(switched.authorityId).not.toBe(old);
    expect(evidence().moved).toBe(0);
    stream.end();
    // Who leaves is waited for: it may be back in a moment, and has not moved.
    expect(evidence().holders).toBe(1);
    await until(() => {
      nowMs += 3_600_000;
      return evidence().holders === 0;
    });
  });

  const evidence = (): FleetEvidence => watchers.evidence(authority.bundle().sequence ?? 0, authority.signingId);

  async function until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise(setImmediate);
  }
});

describe('the control plane’s TLS', () => {
  function handshake(
    options: object,
  ): Promise<{ readonly uri: string; readonly serial: string; readonly protocol: string | null }> {
    return new Promise((resolve, reject) => {
      const socket = tlsConnect(
        {
          port,
          host: '127.0.0.1',
          ca: trustBundlePem(authority.bundle()),
          ALPNProtocols: ['h2'],
          checkServerIdentity: () => undefined,
          ...options,
        },
        () => {
          const certificate = socket.getPeerCertificate();
          resolve({
            uri: certificate.subjectaltname ?? '',
            serial: certificate.serialNumber,
            protocol: socket.getProtocol(),
          });
          socket.destroy();
        },
      );
      socket.on('error', reject);
    });
  }

  it('is 1.3 only, with the control plane’s own identity', async () => {
    expect(await handshake({})).toMatchObject({
      uri: 'URI:spiffe://cluster.local/ns/outrigger/sa/control-plane',
      protocol: 'TLSv1.3',
    });
    await expect(handshake({ maxVersion: 'TLSv1.2' })).rejects.toThrow(/alert|version/i);
  });

  it('renews its certificate by its timer, and when the root changes, while connections go on', async () => {
    const client = connect(null);
    await sign(client, joinToken());
    const first = await handshake({});
    timers.at(-1)!();
    const second = await handshake({});
    authority.rotate();
    authority.force();
    const third = await handshake({});
    expect(new Set([first.serial, second.serial, third.serial]).size).toBe(3);
    await sign(client, joinToken());
  });
});
