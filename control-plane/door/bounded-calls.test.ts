/** How many calls of people whom nobody knows are under way at a time. Real gRPC. */
import { create } from '@bufbuild/protobuf';
import { Client, type ClientReadableStream, credentials, type Server, ServerCredentials, status } from '@grpc/grpc-js';
import { afterEach, beforeEach, expect, it } from 'vitest';
import {
  Health,
  HealthCheckRequestSchema,
  type HealthCheckResponse,
} from '../../proto/generated/health/v1/health_pb.js';
import { grpcService } from '../../proto/grpc-service.ts';
import { boundedCalls } from './bounded-calls.ts';
import { grpcServer } from './grpc-server.ts';
import { unary } from './mesh-doors.test-data.ts';

let server: Server;
let client: Client;
let refused: string[];
beforeEach(async () => {
  refused = [];
  ({ server } = grpcServer([], { maxMessageBytes: 1_000, maxStreams: 10 }, [
    boundedCalls(2, (reason) => void refused.push(reason)),
  ]));
  const port = await new Promise<number>((resolve) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (_, bound) => resolve(bound)),
  );
  client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
});
afterEach(() => {
  client.close();
  server.forceShutdown();
});

const check = (): Promise<unknown> => unary(client, Health, 'check', create(HealthCheckRequestSchema));

/** A call that does not end by itself, under way. */
async function watch(): Promise<ClientReadableStream<HealthCheckResponse>> {
  const { path, requestSerialize, responseDeserialize } = grpcService(Health)['watch']!;
  const call = client.makeServerStreamRequest(
    path,
    requestSerialize,
    responseDeserialize as (bytes: Buffer) => HealthCheckResponse,
    create(HealthCheckRequestSchema),
  );
  call.on('error', () => {});
  await new Promise((resolve) => call.once('data', resolve));
  return call;
}

it('refuses one more with RESOURCE_EXHAUSTED and counts it, and takes it when one has ended, by whichever side', async () => {
  const first = await watch();
  // What the server has ended takes no place.
  for (let times = 0; times < 3; times++) expect(await check()).toMatchObject({ status: 1 });
  await watch();
  await expect(check()).rejects.toMatchObject({
    code: status.RESOURCE_EXHAUSTED,
    details: '2 calls are under way on this port, which is all that it takes; try again later',
  });
  expect(refused).toEqual(['too-many-calls']);
  first.cancel();
  await expect.poll(() => check().then(() => 'taken', String)).toBe('taken');
});
