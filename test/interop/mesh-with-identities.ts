/** Our control plane with both doors, in a process of its own, and proxies that come over the TLS door with join tokens: our sidecars, and stock Envoys that get their secrets by SDS. */
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { Client, credentials } from '@grpc/grpc-js';
import { buildCertificationRequest } from '../../certs/x509/certification-request.ts';
import { writePem } from '../../certs/x509/pem.ts';
import {
  IdentityService,
  SignRequestSchema,
  type SignResponse,
} from '../../proto/generated/outrigger/identity/v1/identity_pb.js';
import { grpcService } from '../../proto/grpc-service.ts';
import { freePorts } from '../peers/free-port.ts';
import type { StartedProgram } from '../peers/started-program.ts';
import { adsBootstrap, type Json } from './envoy-resources.ts';
import { mesh } from './mesh-configuration.ts';
import type { RunningProxy, Stage } from './programs.ts';
import { RegistryClient } from './registry-client.ts';

export const spiffeId = (account: string): string => `spiffe://cluster.local/ns/shop/sa/${account}`;
export const controlPlaneId = 'spiffe://cluster.local/ns/outrigger/sa/control-plane';

/** A proxy of a service, with the ports that callers use. */
export interface ServiceProxy {
  readonly proxy: RunningProxy;
  readonly outbound: number;
  readonly inbound: number;
}

export class MeshWithIdentities {
  readonly #stage: Stage;
  /** As `--certificate-lifetime`. */
  #certificateLifetime: string;
  readonly #config: string;
  readonly dataDir: string;
  readonly #registries: RegistryClient[] = [];
  #ports: readonly [plain: number, tls: number, admin: number] = [0, 0, 0];
  controlPlane!: StartedProgram;

  private constructor(stage: Stage, certificateLifetime: string) {
    this.#stage = stage;
    this.#certificateLifetime = certificateLifetime;
    this.#config = join(stage.folder, 'mesh.yaml');
    this.dataDir = join(stage.folder, 'data');
  }

  static async start(
    stage: Stage,
    documents: readonly Json[],
    certificateLifetime = '1h',
  ): Promise<MeshWithIdentities> {
    const started = new MeshWithIdentities(stage, certificateLifetime);
    started.configure(documents);
    started.#ports = (await freePorts(3)) as [number, number, number];
    await started.#startControlPlane();
    return started;
  }

  get tlsPort(): number {
    return this.#ports[1];
  }

  get adminPort(): number {
    return this.#ports[2];
  }

  get trustBundle(): string {
    return join(this.dataDir, 'trust-bundle.pem');
  }

  /** Ends the control plane, and starts another on its ports and its data directory. */
  async restartControlPlane(certificateLifetime: string): Promise<void> {
    await this.controlPlane.stop();
    this.#certificateLifetime = certificateLifetime;
    await this.#startControlPlane();
  }

  async #startControlPlane(): Promise<void> {
    const [port, tlsPort, adminPort] = this.#ports;
    this.controlPlane = await this.#stage.controlPlane({
      config: this.#config,
      port,
      adminPort,
      dataFolder: this.dataDir,
      tlsPort,
      flags: ['--certificate-lifetime', this.#certificateLifetime],
    });
  }

  configure(documents: readonly Json[]): void {
    writeFileSync(`${this.#config}.new`, mesh(...documents));
    renameSync(`${this.#config}.new`, this.#config);
  }

  /** As `outrigger identity token create` does it, without a process for each. */
  async joinToken(service: string, uses = 1): Promise<string> {
    const response = await fetch(`http://127.0.0.1:${this.adminPort}/api/v1/tokens`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        authorization: `Bearer ${readFileSync(join(this.dataDir, 'local-token'), 'utf8').trim()}`,
      },
      body: JSON.stringify({ services: [`shop/${service}`], uses }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`no join token: ${text}`);
    return (JSON.parse(text) as { readonly token: string }).token;
  }

  /** Registers by itself, as its application listens. `upstreams`: as `--upstream`. */
  async sidecar(service: string, appPort: number, upstreams: readonly string[] = []): Promise<ServiceProxy> {
    const [adminPort, outbound, inbound] = (await freePorts(3)) as [number, number, number];
    const tokenFile = this.#stage.file(`token-${service}`, `${await this.joinToken(service, 100)}\n`);
    const listen = (flag: string, port: number): readonly string[] => [`--${flag}`, `127.0.0.1:${port}`];
    const proxy = await this.#stage.serviceSidecar(service, adminPort, [
      ...['--service', `shop/${service}`, '--app-port', String(appPort), '--listen-metrics', 'off'],
      ...['--join-token-file', tokenFile, '--trust-bundle', this.trustBundle, '--drain-time', '1'],
      ...upstreams.flatMap((upstream) => ['--upstream', upstream]),
      ...listen('control-plane-tls', this.tlsPort),
      ...listen('admin', adminPort),
      ...listen('outbound-listen', outbound),
      ...listen('inbound-listen', inbound),
    ]);
    return { proxy, outbound, inbound };
  }

  /** Registered by {@link register}: an Envoy does not do so by itself. */
  async envoy(service: string, appPort: number): Promise<ServiceProxy> {
    const [adminPort, outbound, inbound] = (await freePorts(3)) as [number, number, number];
    const metadata = {
      app_port: appPort,
      outbound_listen: `127.0.0.1:${outbound}`,
      inbound_listen: `127.0.0.1:${inbound}`,
    };
    const bootstrap = adsBootstrap({
      node: { id: service, cluster: `shop/${service}`, metadata },
      adminPort,
      xdsPort: this.tlsPort,
      variant: 'DELTA_GRPC',
      initialMetadata: [{ key: 'authorization', value: `Bearer ${await this.joinToken(service)}` }],
      transportSocket: towardsControlPlane(this.trustBundle),
    });
    // A connection goes on by the policies that it began with until its listener is drained; after ten minutes, unless told otherwise.
    const proxy = await this.#stage.envoy(bootstrap, { flags: ['--drain-time-s', '1'] });
    await this.register(service, inbound);
    return { proxy, outbound, inbound };
  }

  /** An instance of the service there, by who may say so. */
  async register(service: string, port: number): Promise<void> {
    const registry = new RegistryClient(this.tlsPort, {
      token: await this.joinToken(service),
      roots: readFileSync(this.trustBundle),
    });
    this.#registries.push(registry);
    await registry.register(service, `${service}-1`, port, 300);
  }

  /** A certificate of the service's account and its key, as files for programs that are no part of the mesh's own. */
  async certificate(service: string): Promise<{ readonly chainFile: string; readonly keyFile: string }> {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
    const { path, requestSerialize, responseDeserialize } = grpcService(IdentityService)['sign']!;
    const client = new Client(
      `127.0.0.1:${this.tlsPort}`,
      credentials.createSsl(readFileSync(this.trustBundle), null, null, { checkServerIdentity: () => undefined }),
      { 'grpc.ssl_target_name_override': 'control-plane.test', 'grpc.use_local_subchannel_pool': 1 },
    );
    const request = create(SignRequestSchema, {
      certificationRequest: buildCertificationRequest(privateKey, publicKey),
      spiffeId: spiffeId(service),
      proof: { case: 'joinToken', value: await this.joinToken(service) },
    });
    try {
      const { chain } = await new Promise<SignResponse>((resolve, reject) => {
        client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, (error, response) =>
          error === null ? resolve(response as SignResponse) : reject(error),
        );
      });
      return {
        chainFile: this.#stage.file(`${service}.pem`, writePem('CERTIFICATE', ...chain)),
        keyFile: this.#stage.file(`${service}.key`, privateKey.export({ format: 'pem', type: 'pkcs8' }) as string),
      };
    } finally {
      client.close();
    }
  }

  close(): void {
    for (const registry of this.#registries) registry.close();
  }
}

/** TLS to the control plane and nobody else, for a proxy that shows a token. */
export function towardsControlPlane(trustBundle: string): Json {
  return {
    name: 'envoy.transport_sockets.tls',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext',
      sni: 'control-plane.outrigger',
      common_tls_context: {
        tls_params: { tls_minimum_protocol_version: 'TLSv1_3', tls_maximum_protocol_version: 'TLSv1_3' },
        alpn_protocols: ['h2'],
        validation_context: {
          trusted_ca: { filename: trustBundle },
          match_typed_subject_alt_names: [{ san_type: 'URI', matcher: { exact: controlPlaneId } }],
        },
      },
    },
  };
}

/** What a proxy counts, by Envoy's names. */
export async function counted(proxy: RunningProxy, name: string): Promise<number> {
  const stats = await proxy.admin('/stats');
  const line = stats.split('\n').find((each) => each.startsWith(`${name}: `));
  return Number(line?.slice(name.length + 2) ?? 0);
}
