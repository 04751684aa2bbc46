/**
 * How many certificates a second the control plane signs over its TLS door: real TLS 1.3, real gRPC Sign calls, a whole control plane in this process and its callers in another. Counts the control plane's CPU time,
 * so that it says what one core does. `connected`: calls over one connection, by a join token. `renewing`: the same by the connection's certificate. `arriving`: a connection, handshake and call for each, as a fleet that starts. Run:
 * taskset -c 0 node bench/micro/sign-over-grpc.ts [seconds per step]
 */
import { fork } from 'node:child_process';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { Client, credentials, type ServiceError } from '@grpc/grpc-js';
import { pino } from 'pino';
import { buildCertificationRequest } from '../../certs/x509/certification-request.ts';
import { writePem } from '../../certs/x509/pem.ts';
import { startControlPlane } from '../../control-plane/control-plane.ts';
import {
  IdentityService,
  type SignRequest,
  SignRequestSchema,
  type SignResponse,
} from '../../proto/generated/outrigger/identity/v1/identity_pb.js';
import { grpcService } from '../../proto/grpc-service.ts';

const spiffeId = 'spiffe://cluster.local/ns/shop/sa/orders';
const { path, requestSerialize, responseDeserialize } = grpcService(IdentityService)['sign']!;

function sign(client: Client, request: SignRequest): Promise<SignResponse> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      (error: ServiceError | null, response) => (error === null ? resolve(response as SignResponse) : reject(error)),
    );
  });
}

function connect(folder: string, port: number, held: { chain: readonly Uint8Array[]; key: KeyObject } | null): Client {
  const secure = credentials.createSsl(
    readFileSync(join(folder, 'trust-bundle.pem')),
    held === null ? null : Buffer.from(held.key.export({ format: 'pem', type: 'pkcs8' })),
    held === null ? null : Buffer.from(writePem('CERTIFICATE', ...held.chain)),
    { checkServerIdentity: () => undefined },
  );
  return new Client(`127.0.0.1:${port}`, secure, {
    'grpc.ssl_target_name_override': 'control-plane.test',
    'grpc.use_local_subchannel_pool': 1,
  });
}

/** The callers: signs as fast as answers come, so many at a time, until the parent has seen enough. */
async function callers(folder: string, port: number): Promise<void> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const certificationRequest = buildCertificationRequest(privateKey, publicKey);
  const token = readFileSync(join(folder, 'local-token'), 'utf8').trim();
  const request = (proof: SignRequest['proof']): SignRequest =>
    create(SignRequestSchema, { certificationRequest, spiffeId, proof });
  const byToken = request({ case: 'joinToken', value: token });
  const { chain } = await sign(connect(folder, port, null), byToken);
  const renewal = request({
    case: 'connectionCertificate',
    value: { $typeName: 'outrigger.identity.v1.ConnectionCertificate' },
  });
  const plain = connect(folder, port, null);
  const held = connect(folder, port, { chain, key: privateKey });
  const steps: Readonly<Record<string, () => Promise<unknown>>> = {
    connected: () => sign(plain, byToken),
    renewing: () => sign(held, renewal),
    arriving: async () => {
      const client = connect(folder, port, null);
      await sign(client, byToken);
      client.close();
    },
  };
  process.on('message', ({ name, seconds }: { readonly name: string; readonly seconds: number }) => {
    void (async () => {
      const step = steps[name]!;
      const endMs = performance.now() + seconds * 1000;
      let count = 0;
      await Promise.all(
        Array.from({ length: 32 }, async () => {
          for (; performance.now() < endMs; count++) await step();
        }),
      );
      process.send!(count);
    })();
  });
  process.send!('ready');
}

async function main(): Promise<void> {
  const seconds = Number(process.argv[2] ?? 3);
  const folder = mkdtempSync(join(tmpdir(), 'outrigger-sign-grpc-'));
  const plane = await startControlPlane({
    configPaths: [],
    dataDir: folder,
    listen: { host: '127.0.0.1', port: 0 },
    listenAdmin: { host: '127.0.0.1', port: 0 },
    log: pino({ level: 'warn' }),
    identity: {
      listen: { host: '127.0.0.1', port: 0 },
      trustDomain: 'cluster.local',
      certificateLifetimeMs: 24 * 3_600_000,
      authorityFiles: null,
      // One caller stands for a fleet here.
      signingLimits: { burstOfProxy: 1e9, burstOfIdentity: 1e9 },
      federated: [],
      tokenReview: null,
    },
  });
  const child = fork(import.meta.filename, ['callers', folder, String(plane.tlsPort)]);
  await once(child, 'message');
  const run = async (name: string, forSeconds: number): Promise<number> => {
    child.send({ name, seconds: forSeconds });
    return (await once(child, 'message'))[0] as number;
  };
  for (const name of ['connected', 'renewing', 'arriving']) {
    await run(name, 1);
    const cpuBefore = process.cpuUsage();
    const startMs = performance.now();
    const count = await run(name, seconds);
    const wallMs = performance.now() - startMs;
    const { user, system } = process.cpuUsage(cpuBefore);
    console.log(
      `${name.padEnd(12)} ${((count / wallMs) * 1000).toFixed(0).padStart(6)} /s   ${((count * 1e6) / (user + system)).toFixed(0).padStart(6)} /CPU s   ${((user + system) / count).toFixed(0).padStart(5)} µs`,
    );
  }
  console.log(`resident ${(process.memoryUsage.rss() / 1e6).toFixed(0)} MB`);
  child.kill();
  await plane.close();
  rmSync(folder, { recursive: true });
}

await (process.argv[2] === 'callers' ? callers(process.argv[3]!, Number(process.argv[4])) : main());
