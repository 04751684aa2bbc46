/** A whole control plane in this process, with both doors on free ports, and clients for it: real TLS, real gRPC, certificates of its own authority. */
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import type { DescService } from '@bufbuild/protobuf';
import { create, type Message } from '@bufbuild/protobuf';
import { Client, credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import { pino } from 'pino';
import { readAuthorityPem } from '../../certs/authority/operator-authority.ts';
import type { SigningAuthority } from '../../certs/authority/signing-authority.ts';
import { buildCertificationRequest } from '../../certs/x509/certification-request.ts';
import { writePem } from '../../certs/x509/pem.ts';
import {
  IdentityService,
  SignRequestSchema,
  type SignResponse,
} from '../../proto/generated/outrigger/identity/v1/identity_pb.js';
import { grpcService } from '../../proto/grpc-service.ts';
import { type IdentityOptions, type RunningControlPlane, startControlPlane } from '../control-plane.ts';
import { LeapingClock } from '../source/leaping-clock.test-data.ts';

export interface Held {
  readonly chain: readonly Uint8Array[];
  readonly key: KeyObject;
}

export interface OpenStream<Request, Response> {
  write(request: Request): void;
  end(): void;
  /** The next response; rejects with the stream's error, also when it came before. */
  next(): Promise<Response>;
  /** Resolves with the error that ends it. */
  readonly failed: Promise<ServiceError>;
}

export const shopOrders = 'spiffe://cluster.local/ns/shop/sa/orders';

export const meshFile = `
apiVersion: outrigger.dev/v1
kind: Service
metadata: { name: orders, namespace: shop }
spec: { ports: [{ name: http, port: 80, appProtocol: http }] }
`;

export class MeshDoors {
  /** Of the control plane. OpenSSL, on both sides, keeps to real time. */
  readonly clock = new LeapingClock();
  readonly folder: string;
  readonly #clients = new Set<Client>();
  readonly #options: Partial<IdentityOptions>;
  plane!: RunningControlPlane;
  /** Everything that was logged, at the most talkative level. */
  logged = '';

  private constructor(folder: string, options: Partial<IdentityOptions>) {
    this.folder = folder;
    this.#options = options;
  }

  static async start(options: Partial<IdentityOptions> = {}): Promise<MeshDoors> {
    const doors = new MeshDoors(mkdtempSync(join(tmpdir(), 'outrigger-doors-')), options);
    writeFileSync(join(doors.folder, 'mesh.yaml'), meshFile);
    try {
      await doors.startPlane();
    } catch (error) {
      rmSync(doors.folder, { recursive: true, force: true });
      throw error;
    }
    return doors;
  }

  get dataDir(): string {
    return join(this.folder, 'data');
  }

  async startPlane(): Promise<void> {
    const sink = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        this.logged += chunk.toString();
        done();
      },
    });
    this.plane = await startControlPlane({
      configPaths: [join(this.folder, 'mesh.yaml')],
      dataDir: this.dataDir,
      listen: { host: '127.0.0.1', port: 0 },
      listenAdmin: { host: '127.0.0.1', port: 0 },
      log: pino({ level: 'trace' }, sink),
      clock: this.clock,
      identity: {
        listen: { host: '127.0.0.1', port: 0 },
        trustDomain: 'cluster.local',
        certificateLifetimeMs: 3_600_000,
        authorityFiles: null,
        federated: [],
        tokenReview: null,
        ...this.#options,
      },
    });
  }

  /** Moves the clock on in small steps until `awaited` is settled. With each step a call goes to and fro, so that what both sides have to say to each other keeps up. */
  async hasten<T>(awaited: Promise<T>): Promise<T> {
    let settled = false;
    const settle = (): void => void (settled = true);
    awaited.then(settle, settle);
    while (!settled) {
      this.clock.leap(100);
      await this.admin('GET', '/healthz/ready');
    }
    return awaited;
  }

  async stopPlane(): Promise<void> {
    for (const client of this.#clients) client.close();
    this.#clients.clear();
    await this.plane.close();
  }

  async stop(): Promise<void> {
    await this.stopPlane();
    rmSync(this.folder, { recursive: true, force: true });
  }

  read(name: string): string {
    return readFileSync(join(this.dataDir, name), 'utf8');
  }

  get localToken(): string {
    return this.read('local-token').trim();
  }

  /** The authority itself, to sign what it should not. */
  stolenAuthority(): SigningAuthority {
    const name = readdirSync(join(this.dataDir, 'authority')).find((file) => file.startsWith('authority-'))!;
    const { chain, roots, key } = JSON.parse(this.read(`authority/${name}`)) as Record<string, string>;
    return readAuthorityPem({ chain: chain!, roots: roots!, key: key! }, 'cluster.local', null);
  }

  /** A client of the TLS door: with a certificate, or with none. */
  tls(held: Held | null = null): Client {
    const roots = Buffer.from(this.read('trust-bundle.pem'));
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
    return this.#client(this.plane.tlsPort!, secure);
  }

  plain(): Client {
    return this.#client(this.plane.port, credentials.createInsecure());
  }

  #client(port: number, secure: ReturnType<typeof credentials.createInsecure>): Client {
    const client = new Client(`127.0.0.1:${port}`, secure, {
      // Node 26 takes no address as a server name, and grpc-js would send one.
      'grpc.ssl_target_name_override': 'control-plane.test',
      'grpc.use_local_subchannel_pool': 1,
    });
    this.#clients.add(client);
    return client;
  }

  /** A certificate by Sign, for the local token unless another is given. */
  async certificate(spiffeId: string = shopOrders, joinToken: string = this.localToken): Promise<Held> {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
    const request = create(SignRequestSchema, {
      certificationRequest: buildCertificationRequest(privateKey, publicKey),
      spiffeId,
      proof: { case: 'joinToken', value: joinToken },
    });
    const response = await unary<SignResponse>(this.tls(), IdentityService, 'sign', request);
    return { chain: response.chain, key: privateKey };
  }

  admin(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<AdminAnswer> {
    return new Promise((resolve, reject) => {
      const call = request(
        {
          host: '127.0.0.1',
          port: this.plane.adminPort,
          path,
          method,
          agent: false,
          headers: { 'content-type': 'application/json', authorization: `Bearer ${this.localToken}`, ...headers },
        },
        (response) => {
          let text = '';
          response.on('data', (chunk: Buffer) => (text += chunk.toString()));
          response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
        },
      );
      call.on('error', reject);
      call.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }
}

export interface AdminAnswer {
  readonly status: number;
  readonly text: string;
}

export function bearer(token: string): Metadata {
  const metadata = new Metadata();
  metadata.set('authorization', `Bearer ${token}`);
  return metadata;
}

export function unary<Response>(
  client: Client,
  service: DescService,
  method: string,
  request: Message,
  metadata: Metadata = new Metadata(),
): Promise<Response> {
  const { path, requestSerialize, responseDeserialize } = grpcService(service)[method]!;
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      metadata,
      (error: ServiceError | null, response) => {
        if (error === null) resolve(response as Response);
        else reject(error);
      },
    );
  });
}

export function stream<Request, Response>(
  client: Client,
  service: DescService,
  method: string,
  metadata: Metadata = new Metadata(),
): OpenStream<Request, Response> {
  const { path, requestSerialize, responseDeserialize } = grpcService(service)[method]!;
  const call = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, metadata);
  const arrived: Response[] = [];
  const waiting: Array<{ resolve: (response: Response) => void; reject: (error: Error) => void }> = [];
  let error: ServiceError | null = null;
  const failed = new Promise<ServiceError>((resolve) => {
    call.on('error', (cause: ServiceError) => {
      error = cause;
      for (const { reject } of waiting.splice(0)) reject(cause);
      resolve(cause);
    });
  });
  call.on('data', (response) => {
    const first = waiting.shift();
    if (first === undefined) arrived.push(response as Response);
    else first.resolve(response as Response);
  });
  return {
    write: (request) => call.write(request as Message),
    end: () => call.end(),
    next: () =>
      new Promise((resolve, reject) => {
        const first = arrived.shift();
        if (first !== undefined) resolve(first);
        else if (error !== null) reject(error);
        else waiting.push({ resolve, reject });
      }),
    failed,
  };
}
