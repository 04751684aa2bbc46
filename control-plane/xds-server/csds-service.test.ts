import { create } from '@bufbuild/protobuf';
import type { ServerDuplexStream, ServerUnaryCall } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { parseSpiffeId } from '../../certs/spiffe/spiffe-id.ts';
import { ClientResourceStatus } from '../../proto/generated/envoy/admin/v3/config_dump_shared_pb.js';
import { NodeSchema } from '../../proto/generated/envoy/config/core/v3/base_pb.js';
import {
  type ClientStatusRequest,
  type ClientStatusResponse,
  ConfigStatus,
} from '../../proto/generated/envoy/service/status/v3/csds_pb.js';
import type { DoorContext } from '../door/caller.ts';
import type { ProxyNode } from '../translate/proxy-node.ts';
import { sotwSession } from './ads-session.ts';
import type { ConnectedProxy } from './connected-proxy.ts';
import { CsdsService } from './csds-service.ts';
import type { ServedSnapshot } from './served-resource.ts';
import { typeOrder } from './served-resource.ts';

function clusters(versions: Readonly<Record<string, string>>): ServedSnapshot {
  const typeUrl = typeOrder.cluster;
  const resources = new Map(
    Object.entries(versions).map(([name, version]) => [name, { name, typeUrl, version, bytes: new Uint8Array() }]),
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

function fetchStatus(clients: readonly Client[], context: DoorContext = {}): ClientStatusResponse {
  const service = new CsdsService(() => clients.map(({ proxy }) => proxy));
  let found: ClientStatusResponse | null = null;
  service.implementation.fetchClientStatus(
    { getAuthContext: () => context } as ServerUnaryCall<ClientStatusRequest, ClientStatusResponse>,
    (_error, response) => {
      found = response!;
    },
  );
  return found!;
}

/** `name version config-status client-status error`. */
function rows(...clients: readonly Client[]): string[] {
  return fetchStatus(clients).config.flatMap(({ genericXdsConfigs }) =>
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
    const { config } = fetchStatus([new Client('a'), new Client('b')]);
    expect(config.map(({ node, clientScope }) => [node?.id, clientScope])).toEqual([
      ['a', 'sotw'],
      ['b', 'sotw'],
    ]);
    expect(rows(new Client('a'))).toEqual([]);
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
      },
    });
    const shown = (context: DoorContext): number => fetchStatus([client, new Client('b')], context).config.length;
    expect(shown({})).toBe(2);
    expect(shown(caller('spiffe://td/ns/shop/sa/orders'))).toBe(1);
    expect(shown(caller('spiffe://td/ns/shop/sa/payments'))).toBe(0);
  });

  it('answers every message of a stream, and ends with it', () => {
    const client = new Client('a');
    const listeners = new Map<string, () => void>();
    const written: ClientStatusResponse[] = [];
    let ended = false;
    const stream = {
      on: (event: string, listener: () => void) => listeners.set(event, listener),
      getAuthContext: () => ({}),
      write: (message: ClientStatusResponse) => written.push(message),
      end: () => {
        ended = true;
      },
    };
    new CsdsService(() => [client.proxy]).implementation.streamClientStatus(
      stream as unknown as ServerDuplexStream<ClientStatusRequest, ClientStatusResponse>,
    );
    listeners.get('data')!();
    listeners.get('data')!();
    expect(written.map(({ config }) => config.length)).toEqual([1, 1]);
    listeners.get('end')!();
    expect(ended).toBe(true);
  });
});
