/** What a client on a stream is told of requests that are not for the four served types. */
import { EventEmitter } from 'node:events';
import { create } from '@bufbuild/protobuf';
import { pino } from 'pino';
import { describe, expect, test } from 'vitest';
import {
  type DeltaDiscoveryRequest,
  DeltaDiscoveryRequestSchema,
  type DeltaDiscoveryResponse,
  type DiscoveryRequest,
  DiscoveryRequestSchema,
  type DiscoveryResponse,
} from '../../proto/generated/envoy/service/discovery/v3/discovery_pb.js';
import { RefusalLog } from '../door/refusal-log.ts';
import type { Egress } from '../translate/proxy-node.ts';
import { XdsService } from './xds-service.ts';

const runtime = 'type.googleapis.com/envoy.service.runtime.v3.Runtime';
const node = { id: 'a', cluster: 'shop/orders' };

class FakeStream<Request, Response> extends EventEmitter {
  readonly written: Response[] = [];
  readonly errors: unknown[] = [];

  constructor() {
    super();
    this.on('error', (error) => void this.errors.push(error));
  }

  write(message: Response): boolean {
    this.written.push(message);
    return true;
  }

  end(): void {
    // The test asks for errors only.
  }

  getAuthContext(): object {
    return {};
  }

  getPeer(): string {
    return 'peer';
  }

  request(message: Request): void {
    this.emit('data', message);
  }
}

function service(refusal: (id: string) => string = () => '', egress?: Egress) {
  const egressOf: string[] = [];
  const removed: string[] = [];
  const refused: string[] = [];
  const logged: string[] = [];
  const log = pino({ level: 'warn' }, { write: (line) => void logged.push(line) });
  const xds = new XdsService({
    proxies: {
      add: ({ proxy }) => {
        egressOf.push(`${proxy.id} ${proxy.egress}`);
        return refusal(proxy.id);
      },
      remove: (proxy) => void removed.push(proxy.proxy.id),
      answered: () => {},
    },
    log,
    nowMs: () => 0,
    wallMs: () => 0,
    after: () => () => {},
    random: () => 0,
    maxStreamAgeMs: 0,
    secrets: null,
    identityOf: () => {
      throw new Error('nobody calls by the TLS door here');
    },
    onRefused: (reason) => void refused.push(reason),
    refusalLog: new RefusalLog(log, () => () => {}),
    ...(egress === undefined ? {} : { egress }),
  });
  const sotw = new FakeStream<DiscoveryRequest, DiscoveryResponse>();
  const delta = new FakeStream<DeltaDiscoveryRequest, DeltaDiscoveryResponse>();
  xds.implementation.streamAggregatedResources(sotw as never);
  xds.implementation.deltaAggregatedResources(delta as never);
  return { sotw, delta, logged, removed, refused, egressOf };
}

describe('a request without a type', () => {
  test('ends the stream with INVALID_ARGUMENT, in either variant', () => {
    const { sotw, delta } = service();
    sotw.request(create(DiscoveryRequestSchema, { node }));
    delta.request(create(DeltaDiscoveryRequestSchema, { node }));
    for (const { errors } of [sotw, delta])
      expect(errors).toEqual([{ code: 3, details: expect.stringContaining('type_url: is missing') }]);
  });
});

test("the control plane's egress policy holds for every proxy, and for one that says nothing where it says nothing", () => {
  const egressOf = (egress?: Egress): readonly string[] => {
    const { sotw, delta, egressOf } = service(undefined, egress);
    sotw.request(create(DiscoveryRequestSchema, { node, typeUrl: runtime }));
    const wider = { ...node, id: 'b', metadata: { egress: 'allow' } };
    delta.request(create(DeltaDiscoveryRequestSchema, { node: wider, typeUrl: runtime }));
    return egressOf;
  };
  expect(egressOf()).toEqual(['a allow', 'b allow']);
  expect(egressOf('registry-only')).toEqual(['a registry-only', 'b registry-only']);
});

describe('a proxy that is not taken, as its identity has too many', () => {
  test('is told so with RESOURCE_EXHAUSTED, counted, and not removed', () => {
    const { sotw, delta, removed, refused } = service((id) => (id === 'a' ? 'one too many' : ''));
    sotw.request(create(DiscoveryRequestSchema, { node, typeUrl: runtime }));
    delta.request(create(DeltaDiscoveryRequestSchema, { node: { ...node, id: 'b' }, typeUrl: runtime }));
    delta.emit('cancelled');
    expect(sotw.errors).toEqual([{ code: 8, details: 'one too many' }]);
    expect([delta.errors, removed, refused]).toEqual([[], ['b'], ['too-many-streams-of-one']]);
  });
});

describe('a request for a type that is not served', () => {
  test('is answered by an empty response once per set of names (state of the world), and logged once', () => {
    const { sotw, logged } = service();
    const ask = (resourceNames: string[], responseNonce = ''): void =>
      sotw.request(create(DiscoveryRequestSchema, { node, typeUrl: runtime, resourceNames, responseNonce }));
    ask(['r']);
    expect(sotw.written).toMatchObject([{ typeUrl: runtime, nonce: '1', resources: [] }]);
    ask(['r'], '1');
    expect(sotw.written).toHaveLength(1);
    ask(['r', 's'], '1');
    expect(sotw.written).toHaveLength(2);
    expect(logged.filter((line) => line.includes('Runtime'))).toHaveLength(1);
  });

  test('is answered by the names as removed (incremental)', () => {
    const { delta, logged } = service();
    const ask = (resourceNamesSubscribe: string[], responseNonce = ''): void =>
      delta.request(
        create(DeltaDiscoveryRequestSchema, { node, typeUrl: runtime, resourceNamesSubscribe, responseNonce }),
      );
    ask(['r', '*']);
    expect(delta.written).toMatchObject([{ typeUrl: runtime, nonce: '1', resources: [], removedResources: ['r'] }]);
    ask([], '1');
    ask(['s']);
    expect(delta.written.slice(1)).toMatchObject([{ nonce: '2', removedResources: ['s'] }]);
    expect(logged.filter((line) => line.includes('Runtime'))).toHaveLength(1);
  });

  test('is answered for a bounded number of made-up types', () => {
    const { delta, logged } = service();
    for (let i = 0; i < 100; i++) delta.request(create(DeltaDiscoveryRequestSchema, { node, typeUrl: `t${i}` }));
    expect(delta.written).toHaveLength(32);
    expect(logged).toHaveLength(32);
  });
});
