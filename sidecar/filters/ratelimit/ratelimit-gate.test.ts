import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { HeaderFields } from '../../codec/header-fields.ts';
import { ProxyError } from '../../codec/proxy-error.ts';
import type { RateLimitConfig, RateLimitRouteConfig, RouteRateLimitsConfig } from '../../config/rate-limit-config.ts';
import { noHeaderMutations } from '../../config/route-config.ts';
import { anyPath, forward, route } from '../../connection-manager/test/configs.ts';
import { answer, get, grpcCall, StreamRig } from '../../connection-manager/test/stream-rig.ts';
import { frameMessage } from '../../grpc/grpc-message.ts';
import {
  RateLimitRequestSchema,
  RateLimitResponse_Code,
  RateLimitResponse_RateLimit_Unit,
  RateLimitResponseSchema,
} from '../../xds/api/envoy/service/ratelimit/v3/rls_pb.js';
import { RateLimitGate } from './ratelimit-gate.ts';

const { OK, OVER_LIMIT } = RateLimitResponse_Code;
const { MINUTE } = RateLimitResponse_RateLimit_Unit;
const base: RateLimitConfig = {
  kind: 'ratelimit',
  filterName: 'limits',
  statPrefix: '',
  domain: 'shop',
  stage: 0,
  requestType: 'both',
  timeoutMs: 20,
  failureModeDeny: false,
  resourceExhausted: false,
  service: { cluster: 'rls', authority: 'rls', initialMetadata: [] },
  tellsLimits: false,
  hidesRateLimited: false,
  status: 429,
  responseHeaders: noHeaderMutations,
  statusOnError: 500,
};
const forwardedFor = { useRemoteAddress: false, xffTrustedHops: 0, skipXffAppend: false };
const rateLimits = {
  route: [{ stage: 0, actions: [{ kind: 'generic-key', key: 'k', value: 'v' }] }],
  virtualHost: [],
  includeVirtualHost: false,
} as const;

function rig(
  config: Partial<RateLimitConfig> = {},
  ofRoute?: RateLimitRouteConfig,
  limits: RouteRateLimitsConfig | null = rateLimits,
): StreamRig {
  const gates = ofRoute === undefined ? null : new Map([['limits', ofRoute]]);
  const made = new StreamRig({ routes: [route('r', anyPath, forward('orders'), { rateLimits: limits, gates })] });
  Object.assign(made.manager, { gates: [new RateLimitGate({ ...base, ...config }, forwardedFor, made.context)] });
  return made;
}

/** The service answers the first call. */
function serviceSays(made: StreamRig, message: MessageInitShape<typeof RateLimitResponseSchema>): void {
  const { receiver } = made.cluster.streams[0]!;
  receiver.onHead(answer(200, ['content-type', 'application/grpc']), false);
  receiver.onData(frameMessage(toBinary(RateLimitResponseSchema, create(RateLimitResponseSchema, message))), false);
  receiver.onTrailers(HeaderFields.of(['grpc-status', '0']));
}

function asked(made: StreamRig) {
  const framed = Buffer.from(made.cluster.streams[0]!.body, 'latin1');
  return fromBinary(RateLimitRequestSchema, framed.subarray(5));
}

const counter = (made: StreamRig, name: string): number => made.counter(`cluster.orders.ratelimit.${name}`);
const nearest = {
  statuses: [
    {
      currentLimit: { requestsPerUnit: 10, unit: MINUTE, name: 'per-caller' },
      limitRemaining: 0,
      durationUntilReset: { seconds: 17n },
    },
    { currentLimit: { requestsPerUnit: 100, unit: MINUTE }, limitRemaining: 50 },
  ],
};

describe('whose limit it was', () => {
  const policies = {
    route: ['shop/a#global-0', 'shop/b#global-0'].map((value) => ({
      stage: 0,
      actions: [{ kind: 'generic-key', key: 'rule', value }] as const,
    })),
    virtualHost: [],
    includeVirtualHost: false,
  };

  it('is named by answer and log, as our control plane describes requests', () => {
    const made = rig({}, undefined, policies).request();
    serviceSays(made, { overallCode: OVER_LIMIT, statuses: [{ code: OK }, { code: OVER_LIMIT }] });
    expect(JSON.parse(made.downstream.body)).toMatchObject({ flag: 'RL', rule: 'RateLimitPolicy shop/b' });
    expect(made.logged).toMatchObject({ policy: 'RateLimitPolicy shop/b' });
  });

  it('is all of them where nobody could be asked', () => {
    const made = rig({ failureModeDeny: true }, undefined, policies).request();
    made.time.advance(50);
    expect(made.logged).toMatchObject({ flags: 'RLSE', policy: 'RateLimitPolicy shop/a, RateLimitPolicy shop/b' });
  });
});

describe('a request with a description', () => {
  it('waits for the service, which may add to it and to its answer', () => {
    const made = rig({ tellsLimits: true }).request();
    const question = asked(made);
    expect(question.domain).toBe('shop');
    expect(question.descriptors.map(({ entries }) => entries.map(({ key, value }) => [key, value]))).toEqual([
      [['k', 'v']],
    ]);
    expect(made.cluster.streams.length).toBe(1);
    serviceSays(made, {
      overallCode: OK,
      requestHeadersToAdd: [
        { key: 'x-told', value: '1' },
        { key: 'content-length', value: '9' },
      ],
      responseHeadersToAdd: [{ key: 'x-for-caller', value: '2' }],
      ...nearest,
    });
    expect(made.cluster.last.sentFields).toContainEqual(['x-told', '1']);
    expect(made.cluster.last.sentFields.some(([name]) => name === 'content-length')).toBe(false);
    made.cluster.last.receiver.onHead(answer(200), true);
    const { fields } = made.downstream.head!;
    expect(fields.get('x-for-caller')).toBe('2');
    expect(fields.get('x-ratelimit-limit')).toBe('10, 10;w=60;name="per-caller", 100;w=60');
    expect([fields.get('x-ratelimit-remaining'), fields.get('x-ratelimit-reset')]).toEqual(['0', '17']);
    expect(counter(made, 'ok')).toBe(1);
    expect(made.time.wheel.armedCount).toBe(0);
  });

  it('is refused over the limit, in the words of the service', () => {
    const made = rig().request();
    serviceSays(made, { overallCode: OVER_LIMIT, rawBody: Buffer.from('slow down'), ...nearest });
    const { status, fields } = made.downstream.head!;
    expect([status, made.downstream.body]).toEqual([429, 'slow down']);
    expect(fields.get('x-envoy-ratelimited')).toBe('true');
    expect([fields.get('retry-after'), fields.get('ratelimit-limit'), fields.get('ratelimit-reset')]).toEqual([
      '17',
      '10',
      '17',
    ]);
    expect(fields.has('x-ratelimit-limit')).toBe(false);
    const said = rig().request();
    const responseHeadersToAdd = [{ key: 'Retry-After', value: '18' }];
    serviceSays(said, { overallCode: OVER_LIMIT, responseHeadersToAdd, ...nearest });
    expect(said.downstream.head!.fields.getAll('retry-after')).toEqual(['18']);
    expect(made.logged).toMatchObject({ flags: 'RL', details: 'request_rate_limited' });
    expect(counter(made, 'over_limit')).toBe(1);
    const grpc = rig({ resourceExhausted: true, hidesRateLimited: true }).request(grpcCall());
    serviceSays(grpc, { overallCode: OVER_LIMIT });
    expect(grpc.downstream.head!.fields.get('grpc-status')).toBe('8');
    expect(grpc.downstream.head!.fields.has('x-envoy-ratelimited')).toBe(false);
  });

  it('that its caller gives up holds no call', () => {
    const made = rig().request();
    made.stream.onReset(new ProxyError({ flag: 'DC', source: 'downstream', details: 'gone', message: 'Gone.' }));
    expect(made.cluster.streams[0]!.resetBy).not.toBe(null);
    expect(made.time.wheel.armedCount).toBe(0);
  });
});

describe('a service that fails', () => {
  it('or is late does not hold requests: they pass', () => {
    const made = rig().request();
    made.time.advance(40);
    expect(made.cluster.streams[0]!.resetBy).not.toBe(null);
    expect(made.cluster.streams.length).toBe(2);
    expect([counter(made, 'error'), counter(made, 'failure_mode_allowed')]).toEqual([1, 1]);
  });

  it('or is late refuses them with RLSE where the configuration says so', () => {
    const made = rig({ failureModeDeny: true }).request();
    made.time.advance(40);
    expect(made.downstream.head!.status).toBe(500);
    expect(made.logged).toMatchObject({ flags: 'RLSE', details: 'rate_limiter_error' });
    const missing = rig({
      failureModeDeny: true,
      service: { ...base.service, cluster: 'missing' },
      statusOnError: 503,
    });
    expect(missing.request().downstream.head!.status).toBe(503);
  });

  it('or answers what is no answer counts as failed; a code that it does not know lets requests pass (Envoy)', () => {
    const odd = rig({ failureModeDeny: true }).request();
    const { receiver } = odd.cluster.streams[0]!;
    receiver.onHead(answer(200, ['content-type', 'application/grpc']), false);
    receiver.onData(frameMessage(Buffer.from([0xff])), false);
    receiver.onTrailers(HeaderFields.of(['grpc-status', '0']));
    expect(odd.downstream.head!.status).toBe(500);
    const unknown = rig({ failureModeDeny: true }).request();
    serviceSays(unknown, { overallCode: RateLimitResponse_Code.UNKNOWN });
    expect(unknown.cluster.streams.length).toBe(2);
  });
});

it('the service is not asked without a description, or for another kind of caller', () => {
  expect(rig({}, undefined, null).request(get('/')).cluster.last.body).toBe('');
  expect(rig({ requestType: 'internal' }).request().cluster.streams[0]!.head!.path).toBe('/');
  expect(rig({ requestType: 'external' }).request().cluster.streams[0]!.head!.path).toContain('ShouldRateLimit');
});

it('a route may have a domain of its own, and say which descriptions count', () => {
  const made = rig({}, { kind: 'ratelimit', virtualHostRateLimits: 'override', domain: 'other' }).request();
  expect(asked(made).domain).toBe('other');
});
