/** The control plane's identity service, xDS and registry behind real mesh TLS, in this process: what a sidecar with an identity talks to. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Server, type UntypedServiceImplementation } from '@grpc/grpc-js';
import { pino } from 'pino';
import { CertificateAuthority } from '../../certs/authority/certificate-authority.ts';
import { issuingClock } from '../../certs/authority/issuing-clock.ts';
import { JoinTokens } from '../../certs/join-token/join-tokens.ts';
import type { FleetEvidence } from '../../certs/rotation/root-rotation.ts';
import { controlPlaneId } from '../../certs/spiffe/control-plane-id.ts';
import { type SpiffeId, serviceAccountId } from '../../certs/spiffe/spiffe-id.ts';
import { trustBundlePem } from '../../certs/spiffe/trust-bundle.ts';
import { TrustedBundles } from '../../certs/spiffe/trusted-bundles.ts';
import { RefusalLog } from '../../control-plane/door/refusal-log.ts';
import { BundleWatchers } from '../../control-plane/identity/bundle-watchers.ts';
import { IdentityMetrics } from '../../control-plane/identity/identity-metrics.ts';
import { IdentityService } from '../../control-plane/identity/identity-service.ts';
import { MeshServerCredentials } from '../../control-plane/identity/server-credentials.ts';
import { SigningRate } from '../../control-plane/identity/signing-rate.ts';
import { ModelBuilder } from '../../control-plane/model/model-builder.ts';
import { InstanceStore } from '../../control-plane/registry/instance-store.ts';
import { Registry } from '../../control-plane/registry/registry.ts';
import { RegistryService } from '../../control-plane/registry/registry-service.ts';
import { ProxySnapshots } from '../../control-plane/snapshot/proxy-snapshots.ts';
import { parseFile } from '../../control-plane/source/parse-file.ts';
import { XdsService } from '../../control-plane/xds-server/xds-service.ts';
import { AggregatedDiscoveryService } from '../../proto/generated/envoy/service/discovery/v3/ads_pb.js';
import { IdentityService as IdentityServiceDescriptor } from '../../proto/generated/outrigger/identity/v1/identity_pb.js';
import { RegistryService as RegistryServiceDescriptor } from '../../proto/generated/outrigger/registry/v1/registry_pb.js';
import { grpcService } from '../../proto/grpc-service.ts';

export const trustDomain = 'cluster.local';
export const orders: SpiffeId = serviceAccountId(trustDomain, 'shop', 'orders');

const log = pino({ level: 'silent' });
const after = (delayMs: number, callback: () => void): (() => void) => {
  const handle = setTimeout(callback, delayMs).unref();
  return () => clearTimeout(handle);
};

interface SecureCall {
  getAuthContext(): { readonly sslPeerCertificate?: { readonly serialNumber: string } };
}

export class SecureControlPlane {
  readonly folder: string = mkdtempSync(join(tmpdir(), 'outrigger-secure-'));
  readonly trustBundle: string = join(this.folder, 'trust-bundle.pem');
  readonly authority: CertificateAuthority;
  readonly joinTokens: JoinTokens;
  readonly identity: IdentityService;
  readonly #watchers: BundleWatchers;
  /** Serial number of the client certificate of each call, by method, in order; '' for none. */
  readonly calls: Array<readonly [method: string, serial: string]> = [];
  readonly registry: Registry;
  readonly snapshots: ProxySnapshots = new ProxySnapshots({ log, after });
  readonly #id: SpiffeId;
  #server: Server | null = null;
  #credentials: MeshServerCredentials | null = null;
  port = 0;

  constructor(id: SpiffeId = controlPlaneId(trustDomain)) {
    this.#id = id;
    const clock = issuingClock(Date.now);
    const folder = join(this.folder, 'authority');
    this.authority = new CertificateAuthority({ folder, trustDomain, clock, operatorAuthority: null });
    this.#watchers = new BundleWatchers(this.authority.holders, Date.now, 0);
    this.joinTokens = new JoinTokens(folder, trustDomain, clock);
    this.identity = new IdentityService({
      authority: this.authority,
      bundles: new TrustedBundles(() => this.authority.bundle()),
      joinTokens: this.joinTokens,
      tokenReview: null,
      watchers: this.#watchers,
      metrics: new IdentityMetrics(),
      rate: new SigningRate(Date.now, 24 * 3_600_000),
      refusalLog: new RefusalLog(log, after),
      nowMs: Date.now,
      log,
    });
    this.authority.onChange(() => this.#watchers.sendAll());
    const builder = new ModelBuilder();
    const { resources } = parseFile('mesh.yaml', mesh);
    const store = new InstanceStore(null, log, after);
    const onChange = (): void =>
      this.snapshots.setModel(builder.build({ resources, instances: this.registry.instances }));
    this.registry = new Registry({ store, nowMs: () => performance.now(), after, onChange });
    onChange();
    writeFileSync(this.trustBundle, trustBundlePem(this.authority.bundle()));
  }

  /** Starts, or starts again on the same port. */
  async start(): Promise<void> {
    const server = new Server();
    const xds = new XdsService({
      proxies: this.snapshots,
      secrets: null,
      identityOf: () => orders,
      onRefused: () => {},
      refusalLog: new RefusalLog(log, after),
      log,
      nowMs: () => performance.now(),
      wallMs: () => Date.now(),
      after,
      random: Math.random,
      maxStreamAgeMs: 0,
    });
    server.addService(grpcService(AggregatedDiscoveryService), this.#recorded(xds.implementation));
    server.addService(grpcService(IdentityServiceDescriptor), this.#recorded(this.identity.implementation));
    server.addService(
      grpcService(RegistryServiceDescriptor),
      this.#recorded(
        new RegistryService(this.registry, { identityOf: () => orders, warningOf: () => '', log, onRefused: () => {} })
          .implementation,
      ),
    );
    this.#credentials = new MeshServerCredentials(this.authority, this.#id, { nowMs: Date.now, after }, (error) => {
      throw error;
    });
    const { port } = this;
    this.port = await new Promise<number>((resolve, reject) => {
      server.bindAsync(`127.0.0.1:${port}`, this.#credentials!, (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      );
    });
    this.#server = server;
  }

  /** Breaks all connections and listens no more. */
  stop(): void {
    this.#server?.forceShutdown();
    this.#credentials?.close();
  }

  close(): void {
    this.stop();
    this.snapshots.close();
    this.registry.close();
    this.authority.close();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** What proxies say of the newest root. */
  get evidence(): FleetEvidence {
    return this.#watchers.evidence(this.authority.bundle().sequence ?? 0, this.authority.signingId);
  }

  /** Serial numbers of a method's calls. */
  serials(method: string): string[] {
    return this.calls.filter(([name]) => name === method).map(([, serial]) => serial);
  }

  #recorded(implementation: object): UntypedServiceImplementation {
    const methods = Object.entries(implementation) as Array<[string, (call: SecureCall, ...rest: unknown[]) => void]>;
    return Object.fromEntries(
      methods.map(([name, handle]) => [
        name,
        (call: SecureCall, ...rest: unknown[]): void => {
          this.calls.push([name, call.getAuthContext().sslPeerCertificate?.serialNumber?.toLowerCase() ?? '']);
          handle(call, ...rest);
        },
      ]),
    ) as UntypedServiceImplementation;
  }
}

/** The configuration: one service. */
export const mesh = `
apiVersion: outrigger.dev/v1
kind: Service
metadata: { name: orders, namespace: shop }
spec: { ports: [{ name: http, port: 80, appProtocol: http }] }
`;
