import { create } from '@bufbuild/protobuf';
import { status } from '@grpc/grpc-js';
import { expect, test } from 'vitest';
import { serviceAccountId } from '../../certs/spiffe/spiffe-id.ts';
import {
  RateLimitRequestSchema,
  RateLimitResponse_Code,
} from '../../proto/generated/envoy/service/ratelimit/v3/rls_pb.js';
import type { Caller } from '../door/caller.ts';
import { ModelBuilder } from '../model/model-builder.ts';
import { trafficResources } from '../model/traffic-index.test-data.ts';
import { MemoryCounters } from './counter-store.ts';
import { namespaceCallers } from './namespace-callers.ts';
import { RateLimitService } from './rate-limit-service.ts';

const policy = (namespace: string, global: string): string =>
  `{apiVersion: outrigger.dev/v1, kind: RateLimitPolicy, metadata: {name: p, namespace: ${namespace}}, spec: {global: ${global}}}`;
const service = (namespace: string, name: string): string =>
  `{apiVersion: outrigger.dev/v1, kind: Service, metadata: {name: ${name}, namespace: ${namespace}}, spec: {ports: [{port: 80, appProtocol: grpc}]}}`;
const model = new ModelBuilder().build({
  resources: trafficResources(
    service('shop', 'orders'),
    service('office', 'desk'),
    policy('shop', '{limits: [{by: {headers: [x-user]}, limit: {requests: 2, unit: minute}}]}'),
    policy('outrigger', '{limits: [{limit: {requests: 1, unit: second}}]}'),
    policy('office', '{limits: [{limit: {requests: 1, unit: second}}], service: {name: desk, port: 80}}'),
  ),
  instances: [],
});

function started() {
  const clock = { nowMs: 1_767_225_600_000 };
  const limits = new RateLimitService({
    model: () => model,
    counters: new MemoryCounters(),
    wallMs: () => clock.nowMs,
    isOf: namespaceCallers(() => model, 'cluster.local'),
  });
  const ask = async (caller: Caller | null, ...descriptors: ReadonlyArray<ReadonlyArray<readonly [string, string]>>) =>
    limits.shouldRateLimit(
      create(RateLimitRequestSchema, {
        domain: 'outrigger',
        descriptors: descriptors.map((entries) => ({ entries: entries.map(([key, value]) => ({ key, value })) })),
      }),
      caller,
    );
  return { clock, limits, ask };
}

const caller = (namespace: string, account: string): Caller => {
  const { text } = serviceAccountId('cluster.local', namespace, account);
  return {
    proof: 'certificate',
    words: text,
    certificate: null,
    speaksFor: (id) => id.text === text,
    fault: () => '',
    useFor: () => {},
  } as Caller;
};
const user = (name: string) =>
  [
    ['rule', 'shop/p#global-0'],
    ['x-user', name],
  ] as const;

test('counts each description by itself, and says how much is left and for how long', async () => {
  const { ask, clock } = started();
  clock.nowMs += 15_000;
  expect(await ask(null, user('alice'))).toMatchObject({
    overallCode: RateLimitResponse_Code.OK,
    statuses: [
      {
        code: RateLimitResponse_Code.OK,
        currentLimit: { name: 'shop/p#global-0', requestsPerUnit: 2, unit: 2 },
        limitRemaining: 1,
        durationUntilReset: { seconds: 45n },
      },
    ],
    responseHeadersToAdd: [],
  });
  await ask(null, user('alice'));
  expect(await ask(null, user('alice'), user('bob'))).toMatchObject({
    overallCode: RateLimitResponse_Code.OVER_LIMIT,
    statuses: [{ code: RateLimitResponse_Code.OVER_LIMIT, limitRemaining: 0 }, { code: RateLimitResponse_Code.OK }],
    responseHeadersToAdd: [{ key: 'retry-after', value: '45' }],
  });
  clock.nowMs += 45_000;
  expect(await ask(null, user('alice'))).toMatchObject({ overallCode: RateLimitResponse_Code.OK });
});

test('limits nothing that no policy names, or that another service counts', async () => {
  const { ask } = started();
  for (const entry of [
    ['rule', 'shop/p#global-1'],
    ['rule', 'office/p#global-0'],
    ['x', 'y'],
  ] as const)
    for (let at = 0; at < 3; at++)
      expect(await ask(null, [entry])).toMatchObject({ statuses: [{ code: RateLimitResponse_Code.OK }] });
});

test('takes counts of who is somebody in the namespace of the policy only; of the root namespace, of everybody', async () => {
  const { ask, limits } = started();
  expect(await ask(caller('shop', 'orders'), user('a'))).toMatchObject({ overallCode: RateLimitResponse_Code.OK });
  expect(await ask(caller('office', 'desk'), user('a'))).toMatchObject({ code: status.PERMISSION_DENIED });
  expect(await ask(caller('shop', 'unknown'), user('a'))).toMatchObject({ code: status.PERMISSION_DENIED });
  expect(await ask(caller('office', 'desk'), [['rule', 'outrigger/p#global-0']])).toMatchObject({
    overallCode: RateLimitResponse_Code.OK,
  });
  expect(limits.answered).toEqual({ ok: 2, overLimit: 0, refused: 2 });
});

test('refuses what is too much to count', async () => {
  const { ask } = started();
  expect(await ask(null)).toMatchObject({ code: status.INVALID_ARGUMENT });
  expect(await ask(null, ...Array.from({ length: 65 }, () => user('a')))).toMatchObject({
    code: status.INVALID_ARGUMENT,
  });
  expect(await ask(null, user('a'.repeat(9_000)))).toMatchObject({ code: status.INVALID_ARGUMENT });
});
