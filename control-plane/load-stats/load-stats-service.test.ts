/** LRS on the two doors of a whole control plane: who may report as whom. Real TLS and gRPC. */
import { create } from '@bufbuild/protobuf';
import { type Client, Metadata, status } from '@grpc/grpc-js';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  LoadReportingService,
  type LoadStatsRequest,
  LoadStatsRequestSchema,
  type LoadStatsResponse,
} from '../../proto/generated/envoy/service/load_stats/v3/lrs_pb.js';
import { MeshDoors, type OpenStream, stream } from '../door/mesh-doors.test-data.ts';

let doors: MeshDoors;

beforeEach(async () => {
  doors = await MeshDoors.start();
});
afterEach(() => doors.stop());

type Lrs = OpenStream<LoadStatsRequest, LoadStatsResponse>;

function open(client: Client, cluster = 'shop/orders', id = 'one'): Lrs {
  const lrs: Lrs = stream(client, LoadReportingService, 'streamLoadStats', new Metadata());
  lrs.write(create(LoadStatsRequestSchema, { node: { id, cluster, userAgentName: 'envoy' } }));
  return lrs;
}

function report(lrs: Lrs, successes: number): void {
  const stats = {
    clusterName: 'outbound|80||orders.shop',
    loadReportInterval: { seconds: 10n },
    upstreamLocalityStats: [
      {
        locality: { zone: 'north' },
        totalSuccessfulRequests: BigInt(successes),
        totalIssuedRequests: BigInt(successes),
      },
    ],
  };
  lrs.write(create(LoadStatsRequestSchema, { clusterStats: [stats] }));
}

async function rows(): Promise<ReadonlyArray<Record<string, unknown>>> {
  return JSON.parse((await doors.admin('GET', '/api/v1/loads')).text) as ReadonlyArray<Record<string, unknown>>;
}

async function rowsWhen(fits: (rows: ReadonlyArray<Record<string, unknown>>) => boolean) {
  for (;;) {
    const now = await rows();
    if (fits(now)) return now;
  }
}

test('asks for all clusters every 10 s, and shows what comes at /api/v1/loads until the stream ends', async () => {
  const lrs = open(doors.plain(), 'shop/storefront');
  expect(await lrs.next()).toMatchObject({ sendAllClusters: true, loadReportingInterval: { seconds: 10n } });
  report(lrs, 50);
  expect(await rowsWhen(({ length }) => length > 0)).toEqual([
    {
      source: 'shop/storefront',
      destination: 'shop/orders',
      port: 80,
      zone: 'north',
      requestsPerSecond: 5,
      errorShare: 0,
      inProgress: 0,
      droppedPerSecond: 0,
      proxies: 1,
    },
  ]);
  lrs.end();
  await rowsWhen(({ length }) => length === 0);
});

test('leaves out what has not been told for three intervals', async () => {
  const lrs = open(doors.plain());
  await lrs.next();
  report(lrs, 50);
  await rowsWhen(({ length }) => length > 0);
  doors.clock.leap(31_000);
  expect(await rows()).toEqual([]);
});

test('the newest stream of a node counts', async () => {
  const first = open(doors.plain());
  await first.next();
  report(first, 10);
  await rowsWhen(({ length }) => length > 0);
  const second = open(doors.plain());
  await second.next();
  expect(await rows()).toEqual([]);
  report(second, 20);
  expect(await rowsWhen(({ length }) => length > 0)).toMatchObject([{ requestsPerSecond: 2, proxies: 1 }]);
});

test('by the TLS door a proxy reports as who it is, and as nobody else', async () => {
  const client = doors.tls(await doors.certificate());
  const own = open(client);
  await own.next();
  const other = open(client, 'shop/payments');
  expect(await other.failed).toMatchObject({ code: status.PERMISSION_DENIED });
  expect(await open(doors.tls()).failed).toMatchObject({ code: status.UNAUTHENTICATED });
});

test('a node of the same name by another door takes no place', async () => {
  const proven = open(doors.tls(await doors.certificate()));
  await proven.next();
  report(proven, 10);
  await rowsWhen(({ length }) => length > 0);
  await open(doors.plain()).next();
  expect(await rows()).toHaveLength(1);
});

test('a stream without a usable node ends, and is told why', async () => {
  const lrs: Lrs = stream(doors.plain(), LoadReportingService, 'streamLoadStats', new Metadata());
  lrs.write(create(LoadStatsRequestSchema));
  expect(await lrs.failed).toMatchObject({
    code: status.INVALID_ARGUMENT,
    details: 'the first message of a stream needs a node',
  });
  expect(await open(doors.plain(), 'x').failed).toMatchObject({ code: status.INVALID_ARGUMENT });
});
