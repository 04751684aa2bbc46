import { create, type MessageInitShape } from '@bufbuild/protobuf';
import type { ServerDuplexStream, ServerUnaryCall } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { parseSpiffeId } from '../../certs/spiffe/spiffe-id.ts';
import { ClientResourceStatus } from '../../proto/generated/envoy/admin/v3/config_dump_shared_pb.js';
import { NodeSchema } from '../../proto/generated/envoy/config/core/v3/base_pb.js';
import {
  type ClientStatusRequest,
  ClientStatusRequestSchema,
  type ClientStatusResponse,
  ConfigStatus,
} from '../../proto/generated/envoy/service/status/v3/csds_pb.js';
import type { DoorContext } from '../door/caller.ts';
import type { ProxyNode } from '../translate/proxy-node.ts';
import { deltaSession, sotwSession } from './ads-session.ts';
import type { ConnectedProxy } from './connected-proxy.ts';
import { CsdsService } from './csds-service.ts';
import { faultsKey } from './faults-key.ts';
import type { ServedSnapshot } from './served-resource.ts';
import { typeOrder } from './served-resource.ts';
import type { OutgoingResponse } from './subscription.ts';

function clusters(versions: Readonly<Record<string, string>>, bytes = new Uint8Array()): ServedSnapshot {
  const typeUrl = typeOrder.cluster;
  const resources = new Map(
    Object.entries(versions).map(([name, version]) => [name, { name, typeUrl, version, bytes }]),
  );
  return { resources: (url) => (url === typeUrl ? resources : new Map()) };
}

/** A proxy that asks for clusters. */
class Client {
  readonly proxy: ConnectedProxy;
  readonly #session = sotwSession({
    send: (response) => (this.#version = response.version),
    nowMs: () => 0,
    flushLater: () => {},
  });
  #nonce = '';
  #version = '';

  constructor(id: string, identity: string | null = null) {
    this.proxy = {
      node: create(NodeSchema, { id, cluster: 'shop/orders' }),
      proxy: { id, identity: identity === null ? null : parseSpiffeId(identity) } as unknown as ProxyNode,
      peer: '127.0.0.1:1',
      variant: 'sotw',
      connectedWallMs: 0,
      certificate: () => null,
      session: this.#session,
      snapshot: null,
    };
  }

  give(snapshot: ServedSnapshot): void {
    this.proxy.snapshot = snapshot;
    this.#session.setSnapshot(snapshot);
  }

  /** `version`: default that of the last response. */
  request(error: string | null = null, version: string | null = null): void {
    const subscription = this.#session.subscription(typeOrder.cluster)!;
    if (subscription.awaiting !== '') this.#nonce = subscription.awaiting;
    subscription.onRequest({ nonce: this.#nonce, version: version ?? this.#version, names: [], error });
    this.#session.flush();
  }
}

type RequestInit = MessageInitShape<typeof ClientStatusRequestSchema>;

function ask(
  clients: readonly Client[],
  request: RequestInit,
  context: DoorContext = {},
): ClientStatusResponse | string {
  const service = new CsdsService(() => clients.map(({ proxy }) => proxy));
  let found: ClientStatusResponse | string = '';
  service.implementation.fetchClientStatus(
    { request: create(ClientStatusRequestSchema, request), getAuthContext: () => context } as ServerUnaryCall<
      ClientStatusRequest,
      ClientStatusResponse
    >,
    (error, response) => {
      found = error === null ? response! : `${error.code} ${error.details}`;
    },
  );
  return found;
}

function fetchStatus(...clients: readonly Client[]): ClientStatusResponse {
  return ask(clients, {}) as ClientStatusResponse;
}

/** `name version config-status client-status error`. */
function rows(...clients: readonly Client[]): string[] {
  return fetchStatus(...clients).config.flatMap(({ genericXdsConfigs }) =>
    genericXdsConfigs.map(({ name, versionInfo, configStatus, clientStatus, errorState }) =>
      [
        name,
        versionInfo,
        ConfigStatus[configStatus],
        ClientResourceStatus[clientStatus],
        ...(errorState === undefined ? [] : [errorState.details]),
      ].join(' '),
    ),
  );
}

describe('CSDS', () => {
  it('names every connected proxy by its node, also one that asked for nothing', () => {
    const { config } = fetchStatus(new Client('a'), new Client('b'));
    expect(config.map(({ node, clientScope }) => [node?.id, clientScope])).toEqual([
      ['a', 'sotw'],
      ['b', 'sotw'],
    ]);
    expect(rows(new Client('a'))).toEqual([]);
  });

  it('shows faults on purpose with the node, as there is no field for them', () => {
    const client = new Client('a');
    const faultsOf = ({ node }: ConnectedProxy): string[] => (node.id === 'a' ? ['FaultPolicy shop/slow'] : []);
    const service = new CsdsService(() => [client.proxy, new Client('b').proxy], faultsOf);
    let shown: Array<unknown> = [];
    service.implementation.fetchClientStatus(
      {
        request: create(ClientStatusRequestSchema),
        getAuthContext: () => ({}) as DoorContext,
      } as unknown as ServerUnaryCall<ClientStatusRequest, ClientStatusResponse>,
      (_, response) => (shown = response!.config.map(({ node }) => node?.metadata)),
    );
    expect(shown).toEqual([{ [faultsKey]: ['FaultPolicy shop/slow'] }, undefined]);
    expect(client.proxy.node.metadata).toBeUndefined();
  });

  it('shows what was sent and not answered as STALE, what was taken as SYNCED', () => {
    const client = new Client('a');
    client.give(clusters({ orders: '1' }));
    client.request();
    expect(rows(client)).toEqual(['orders 1 STALE REQUESTED']);
    client.request();
    expect(rows(client)).toEqual(['orders 1 SYNCED ACKED']);
  });

  it('shows what was refused with the reason, and as taken again once a newer version was', () => {
    const client = new Client('a');
    client.give(clusters({ orders: '1' }));
    client.request();
    client.request('connect_timeout: must be above 0');
    expect(rows(client)).toEqual(['orders 1 ERROR NACKED connect_timeout: must be above 0']);
    client.give(clusters({ orders: '2' }));
    client.request();
    expect(rows(client)).toEqual(['orders 2 SYNCED ACKED']);
  });

  it('shows what was taken first and refused afterwards, because it could not be put to work', () => {
    const client = new Client('a');
    client.give(clusters({ orders: '1' }));
    client.request();
    client.request();
    client.request('cannot listen on 127.0.0.1:80');
    expect(rows(client)).toEqual(['orders 1 ERROR NACKED cannot listen on 127.0.0.1:80']);
    // Something else is asked for meanwhile: no ACK, as it does not say the version.
    client.request(null, 'older');
    expect(rows(client)[0]).toContain('NACKED');
    client.request();
    expect(rows(client)).toEqual(['orders 1 SYNCED ACKED']);
  });

  it('shows a caller of the TLS door the proxies of its own identity, and the plain door all', () => {
    const client = new Client('a', 'spiffe://td/ns/shop/sa/orders');
    const caller = (id: string): DoorContext => ({
      caller: {
        certificate: null,
        proof: 'certificate',
        words: id,
        speaksFor: (other) => other.text === id,
        fault: () => '',
        useFor: () => {},
      },
    });
    const shown = (context: DoorContext): number =>
      (ask([client, new Client('b')], {}, context) as ClientStatusResponse).config.length;
    expect(shown({})).toBe(2);
    expect(shown(caller('spiffe://td/ns/shop/sa/orders'))).toBe(1);
    expect(shown(caller('spiffe://td/ns/shop/sa/payments'))).toBe(0);
  });

  it('says of a type that was answered with nothing that it is SYNCED, and of one that was not answered that it is NOT_SENT', () => {
    const client = new Client('a');
    client.request();
    expect(rows(client)).toEqual(['  NOT_SENT REQUESTED']);
    client.give(clusters({}));
    expect(rows(client)).toEqual(['  STALE REQUESTED']);
    client.request();
    expect(rows(client)).toEqual(['  SYNCED ACKED']);
  });

  it('keeps a refusal as long as the client has not taken the resource, though others are refused or taken since', () => {
    const sent: OutgoingResponse[] = [];
    const session = deltaSession({
      send: (response) => void sent.push(response),
      nowMs: () => 0,
      flushLater: () => {},
    });
    const { proxy } = new Client('a');
    const client = { proxy: { ...proxy, session } } as unknown as Client;
    const give = (versions: Readonly<Record<string, string>>): void => {
      (client.proxy as { snapshot: ServedSnapshot }).snapshot = clusters(versions);
      session.setSnapshot(clusters(versions));
    };
    const request = (error: string | null): void => {
      const none = { subscribe: [], unsubscribe: [], initialVersions: new Map<string, string>() };
      session.subscription(typeOrder.cluster)!.onRequest({ ...none, nonce: sent.at(-1)?.nonce ?? '', error });
      session.flush();
    };
    give({ a: '1', b: '1' });
    request(null);
    request('a is bad');
    give({ a: '1', b: '2' });
    request('b is bad');
    expect(rows(client)).toEqual(['a 1 ERROR NACKED a is bad', 'b 2 ERROR NACKED b is bad']);
    give({ a: '1', b: '3' });
    request(null);
    expect(rows(client)).toEqual(['a 1 ERROR NACKED a is bad', 'b 3 SYNCED ACKED']);
    give({ b: '3' });
    request(null);
    expect(rows(client)).toEqual(['b 3 SYNCED ACKED']);
  });

  it.each<[string, RequestInit['nodeMatchers'], readonly string[]]>([
    ['none', [], ['orders-1', 'orders-2', 'Pay-1']],
    ['exact', [{ nodeId: { matchPattern: { case: 'exact', value: 'orders-1' } } }], ['orders-1']],
    ['prefix', [{ nodeId: { matchPattern: { case: 'prefix', value: 'orders-' } } }], ['orders-1', 'orders-2']],
    ['suffix', [{ nodeId: { matchPattern: { case: 'suffix', value: '-1' } } }], ['orders-1', 'Pay-1']],
    [
      'contains, case aside',
      [{ nodeId: { matchPattern: { case: 'contains', value: 'PAY' }, ignoreCase: true } }],
      ['Pay-1'],
    ],
    ['expression', [{ nodeId: { matchPattern: { case: 'safeRegex', value: { regex: 'o.*-[23]' } } } }], ['orders-2']],
    [
      'one of two',
      [
        { nodeId: { matchPattern: { case: 'exact', value: 'Pay-1' } } },
        { nodeId: { matchPattern: { case: 'exact', value: 'orders-2' } } },
      ],
      ['orders-2', 'Pay-1'],
    ],
    ['a matcher without conditions', [{}], ['orders-1', 'orders-2', 'Pay-1']],
  ])('tells of the proxies that node_matchers name: %s', (_how, nodeMatchers, ids) => {
    const clients = ['orders-1', 'orders-2', 'Pay-1'].map((id) => new Client(id));
    const answer = ask(clients, { nodeMatchers: nodeMatchers ?? [] }) as ClientStatusResponse;
    expect(answer.config.map(({ node }) => node?.id)).toEqual(ids);
  });

  it('tells what was sent only to who names proxies and does not ask to leave it out (exclude_resource_contents)', () => {
    const client = new Client('a');
    client.give(clusters({ orders: '1' }, new Uint8Array([10, 1, 111])));
    client.request();
    const contents = (request: RequestInit): unknown[] =>
      (ask([client], request) as ClientStatusResponse).config.flatMap(({ genericXdsConfigs }) =>
        genericXdsConfigs.map(({ xdsConfig }) => xdsConfig && [xdsConfig.typeUrl, ...xdsConfig.value]),
      );
    const nodeMatchers = [{ nodeId: { matchPattern: { case: 'exact', value: 'a' } as const } }];
    expect(contents({})).toEqual([undefined]);
    expect(contents({ nodeMatchers, excludeResourceContents: true })).toEqual([undefined]);
    expect(contents({ nodeMatchers })).toEqual([[typeOrder.cluster, 10, 1, 111]]);
  });

  it('never tells a secret', () => {
    const client = new Client('a');
    const secret = { name: 'own', typeUrl: typeOrder.secret, version: '1', bytes: new Uint8Array([10, 1, 111]) };
    const subscription = client.proxy.session.subscription(typeOrder.secret)!;
    subscription.sent.set('own', secret);
    const nodeMatchers = [{ nodeId: { matchPattern: { case: 'exact', value: 'a' } as const } }];
    const { config } = ask([client], { nodeMatchers }) as ClientStatusResponse;
    expect(config[0]!.genericXdsConfigs).toMatchObject([{ name: 'own', versionInfo: '1' }]);
    expect(config[0]!.genericXdsConfigs[0]!.xdsConfig).toBeUndefined();
  });

  it('refuses node_matchers that it does not know, by field path', () => {
    const answer = ask([new Client('a')], {
      nodeMatchers: [
        { nodeMetadatas: [{ path: [] }] },
        { nodeId: {} },
        { nodeId: { matchPattern: { case: 'prefix', value: '' } } },
        { nodeId: { matchPattern: { case: 'safeRegex', value: { regex: '(' } } } },
      ],
    });
    expect(answer).toMatch(
      /^3 node_matchers\[0\]\.node_metadatas: .*; node_matchers\[1\]\.node_id: has no pattern.*; node_matchers\[2\]\.node_id\.prefix: is empty; node_matchers\[3\]\.node_id\.safe_regex\.regex: /,
    );
  });

  it('answers every message of a stream, and ends with it', () => {
    const client = new Client('a');
    const listeners = new Map<string, (request?: ClientStatusRequest) => void>();
    const written: ClientStatusResponse[] = [];
    let ended = false;
    const stream = {
      on: (event: string, listener: (request?: ClientStatusRequest) => void) => listeners.set(event, listener),
      getAuthContext: () => ({}),
      write: (message: ClientStatusResponse) => written.push(message),
      end: () => {
        ended = true;
      },
    };
    new CsdsService(() => [client.proxy]).implementation.streamClientStatus(
      stream as unknown as ServerDuplexStream<ClientStatusRequest, ClientStatusResponse>,
    );
    listeners.get('data')!(create(ClientStatusRequestSchema));
    listeners.get('data')!(create(ClientStatusRequestSchema));
    expect(written.map(({ config }) => config.length)).toEqual([1, 1]);
    listeners.get('end')!();
    expect(ended).toBe(true);
  });
});
