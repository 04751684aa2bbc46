/** Attending at a whole control plane: who is believed, and what the admin port then tells. */
import { create } from '@bufbuild/protobuf';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ObserveService, type Query, ReportSchema } from '../../proto/generated/outrigger/observe/v1/observe_pb.js';
import { MeshDoors, stream as openStream } from '../door/mesh-doors.test-data.ts';
import { outbound } from './test/records.ts';

let doors: MeshDoors;
beforeAll(async () => {
  doors = await MeshDoors.start();
});
afterAll(() => doors.stop());

const hello = (nodeId: string, nodeCluster: string) =>
  create(ReportSchema, { report: { case: 'hello', value: { nodeId, nodeCluster } } });

test('what a sidecar knows of a request is told, under the name that it said first', async () => {
  const stream = openStream<ReturnType<typeof hello>, Query>(doors.plain(), ObserveService, 'attend');
  stream.write(hello('orders-1', 'shop/orders'));
  // The first question is for figures.
  const figures = await stream.next();
  expect(figures.query.case).toBe('startFigures');
  const asked = doors.admin('GET', '/api/v1/requests/r-1');
  const query = await stream.next();
  expect(query.query).toMatchObject({ case: 'findRequest', value: { requestId: 'r-1' } });
  const record = outbound('somebody-else', 'payments', 0, 5, { status: 503, flags: 'UH' });
  stream.write(
    create(ReportSchema, { report: { case: 'answer', value: { queryId: query.id, requests: [record], done: true } } }),
  );
  const { status, text } = await asked;
  expect(status).toBe(200);
  const { hops, explanation } = JSON.parse(text) as {
    hops: Array<{ record: { service: string } }>;
    explanation: { why: string[] };
  };
  expect(hops[0]!.record.service).toBe('shop/orders');
  expect(explanation.why[0]).toMatch(/^No host of payments/);
  stream.end();
});

test('a request of a time that no clock shows is told all the same, to a list and to a tap, and the control plane goes on', async () => {
  const stream = openStream<ReturnType<typeof hello>, Query>(doors.plain(), ObserveService, 'attend');
  stream.write(hello('orders-2', 'shop/orders'));
  expect((await stream.next()).query.case).toBe('startFigures');
  const wrong = outbound('orders', 'payments', 0, 5, {
    started: { $typeName: 'google.protobuf.Timestamp', seconds: 2n ** 60n, nanos: -1 },
    duration: { $typeName: 'google.protobuf.Duration', seconds: -(2n ** 60n), nanos: 2_000_000_000 },
  });
  const answer = (queryId: bigint): void =>
    stream.write(
      create(ReportSchema, { report: { case: 'answer', value: { queryId, requests: [wrong], done: true } } }),
    );
  for (const path of ['/api/v1/requests', '/api/v1/requests/r-1', '/api/v1/tap?limit=1']) {
    const asked = doors.admin('GET', path);
    answer((await stream.next()).id);
    const { status, text } = await asked;
    expect([path, status]).toEqual([path, 200]);
    expect(text).toContain('9999-12-31T23:59:59Z');
  }
  stream.end();
});

test('edges, routes and a tap of a service that nobody knows say so, and the tap goes on', async () => {
  const stream = openStream<ReturnType<typeof hello>, Query>(doors.plain(), ObserveService, 'attend');
  stream.write(hello('orders-3', 'shop/orders'));
  expect((await stream.next()).query.case).toBe('startFigures');
  const asked = doors.admin('GET', '/api/v1/tap?limit=1&source=shop/nobody&destination=shop/oders');
  const { id } = await stream.next();
  stream.write(
    create(ReportSchema, {
      report: { case: 'answer', value: { queryId: id, requests: [outbound('orders', 'payments', 0, 5)], done: true } },
    }),
  );
  const [first, second, third] = (await asked).text.split('\n').map((line) => JSON.parse(line || 'null') as unknown);
  expect([first, second]).toEqual([
    { note: 'no sidecar of shop/nobody is connected, and no such service is known' },
    { note: 'no sidecar of shop/oders is connected, and no such service is known; did you mean shop/orders?' },
  ]);
  expect(third).toMatchObject({ source: 'shop/orders' });
  // Who looks at figures makes their questions come at another pace.
  for (const path of ['edges', 'routes-live'])
    expect(JSON.parse((await doors.admin('GET', `/api/v1/${path}?source=shop/nobody`)).text)).toMatchObject({
      doubts: ['no sidecar of shop/nobody is connected, and no such service is known'],
    });
  stream.end();
});

test('a tap is for who shows the local token', async () => {
  expect((await doors.admin('GET', '/api/v1/tap', undefined, { authorization: '' })).status).toBe(401);
});

test.each([
  ['/api/v1/edges?windw=1s', 'is no parameter here'],
  ['/api/v1/edges?window=1', 'is not a duration'],
  ['/api/v1/edges/history', 'name one of them at least'],
  ['/api/v1/requests?limit=0', 'is not a whole number'],
])('%s is refused with the reason', async (path, why) => {
  const { status, text } = await doors.admin('GET', path);
  expect(status).toBe(400);
  expect((JSON.parse(text) as { error: string }).error).toContain(why);
});

test('a request that nobody knows is 404, with a reason', async () => {
  const { status, text } = await doors.admin('GET', '/api/v1/requests/none');
  expect([status, (JSON.parse(text) as { error: string }).error]).toEqual([404, expect.stringContaining('none')]);
});
