/**
 * SPIRE's agent as far as SDS goes, on @grpc/grpc-js over a Unix socket, written after its handler (pkg/agent/endpoints/sdsv3): StreamSecrets only; a stream is answered when it asks for
 * other names than before and when something changed, never for an ACK; a name that the workload may not have ends the stream with INVALID_ARGUMENT.
 */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { anyPack } from '@bufbuild/protobuf/wkt';
import { Server, ServerCredentials, type ServerDuplexStream, status } from '@grpc/grpc-js';
import {
  type Secret,
  SecretSchema,
} from '../../proto/generated/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import { SPIFFECertValidatorConfigSchema } from '../../proto/generated/envoy/extensions/transport_sockets/tls/v3/tls_spiffe_validator_config_pb.js';
import {
  type DiscoveryRequest,
  DiscoveryRequestSchema,
  type DiscoveryResponse,
  DiscoveryResponseSchema,
} from '../../proto/generated/envoy/service/discovery/v3/discovery_pb.js';
import type { TestCertificate } from '../../sidecar/transport/test/certificates.ts';

type Call = ServerDuplexStream<DiscoveryRequest, DiscoveryResponse>;

interface Stream {
  readonly call: Call;
  names: readonly string[];
  nonce: string;
}

const bytes = (text: string) => ({ specifier: { case: 'inlineBytes', value: Buffer.from(text) } }) as const;

export function svid(name: string, { chainPem, keyPem }: TestCertificate): Secret {
  const value = { certificateChain: bytes(chainPem), privateKey: bytes(keyPem) };
  return create(SecretSchema, { name, type: { case: 'tlsCertificate', value } });
}

export function bundle(name: string, rootsPem: string): Secret {
  return create(SecretSchema, { name, type: { case: 'validationContext', value: { trustedCa: bytes(rootsPem) } } });
}

/** What SPIRE gives under `ALL`. */
export function allBundles(name: string, domains: Readonly<Record<string, string>>): Secret {
  const trustDomains = Object.entries(domains).map(([domain, pem]) => ({ name: domain, trustBundle: bytes(pem) }));
  const typedConfig = anyPack(
    SPIFFECertValidatorConfigSchema,
    create(SPIFFECertValidatorConfigSchema, { trustDomains }),
  );
  const customValidatorConfig = { name: 'envoy.tls.cert_validator.spiffe', typedConfig };
  return create(SecretSchema, { name, type: { case: 'validationContext', value: { customValidatorConfig } } });
}

export class SpireAgent {
  /** Everything that arrived, in order. */
  readonly requests: DiscoveryRequest[] = [];
  readonly streams = new Set<Stream>();
  readonly #server: Server;
  #secrets = new Map<string, Secret>();
  #version = 1;
  #nonces = 0;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(socketPath: string, ...secrets: readonly Secret[]): Promise<SpireAgent> {
    const agent = new SpireAgent(new Server());
    agent.#secrets = new Map(secrets.map((secret) => [secret.name, secret]));
    agent.#server.addService(
      {
        streamSecrets: {
          path: '/envoy.service.secret.v3.SecretDiscoveryService/StreamSecrets',
          requestStream: true,
          responseStream: true,
          requestSerialize: (message: DiscoveryRequest) => Buffer.from(toBinary(DiscoveryRequestSchema, message)),
          requestDeserialize: (message: Buffer) => fromBinary(DiscoveryRequestSchema, message),
          responseSerialize: (message: DiscoveryResponse) => Buffer.from(toBinary(DiscoveryResponseSchema, message)),
          responseDeserialize: (message: Buffer) => fromBinary(DiscoveryResponseSchema, message),
        },
      },
      { streamSecrets: (call: Call) => agent.#serve(call) },
    );
    await new Promise<void>((resolve, reject) => {
      agent.#server.bindAsync(`unix:${socketPath}`, ServerCredentials.createInsecure(), (error) =>
        error === null ? resolve() : reject(error),
      );
    });
    return agent;
  }

  /** The workload's identities or bundles changed: every stream hears of it. */
  update(...secrets: readonly Secret[]): void {
    for (const secret of secrets) this.#secrets.set(secret.name, secret);
    this.#version++;
    for (const stream of this.streams) this.#answer(stream);
  }

  /** Ends at once, as a process does that is killed. */
  stop(): void {
    this.#server.forceShutdown();
  }

  #serve(call: Call): void {
    const stream: Stream = { call, names: [], nonce: '' };
    this.streams.add(stream);
    call.on('data', (request: DiscoveryRequest) => {
      this.requests.push(request);
      if (stream.nonce !== '' && stream.nonce !== request.responseNonce) return;
      const same = stream.names.join() === request.resourceNames.join();
      stream.names = request.resourceNames;
      if (!same) this.#answer(stream);
    });
    call.on('end', () => call.end());
    for (const event of ['error', 'cancelled', 'close']) call.on(event, () => this.streams.delete(stream));
  }

  #answer(stream: Stream): void {
    const missing = stream.names.filter((name) => !this.#secrets.has(name));
    if (missing.length > 0) {
      this.streams.delete(stream);
      const details = `workload is not authorized for the requested identities ${JSON.stringify(missing)}`;
      stream.call.emit('error', { code: status.INVALID_ARGUMENT, details });
      return;
    }
    stream.nonce = String(++this.#nonces);
    stream.call.write(
      create(DiscoveryResponseSchema, {
        typeUrl: `type.googleapis.com/${SecretSchema.typeName}`,
        versionInfo: String(this.#version),
        nonce: stream.nonce,
        resources: stream.names.map((name) => anyPack(SecretSchema, this.#secrets.get(name)!)),
      }),
    );
  }
}
