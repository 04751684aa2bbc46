/**
 * The inbound listener of a proxy that traffic is redirected to: a group of filter chains for each port of the application, by what it speaks and by PeerAuthentication, and what holds for all other ports. Envoy looks at the port
 * first and never goes back, so each group takes whatever may come to its port. Which chain takes what is a table in docs/interception-on-the-wire.md.
 */
import { create } from '@bufbuild/protobuf';
import { TrafficDirection, type TransportSocket } from '../../proto/generated/envoy/config/core/v3/base_pb.js';
import type { Filter, FilterChain } from '../../proto/generated/envoy/config/listener/v3/listener_components_pb.js';
import { ListenerSchema } from '../../proto/generated/envoy/config/listener/v3/listener_pb.js';
import type { AppProtocol } from '../config-kind/resource.ts';
import { managerFilter, proxyManager } from './encode-http-manager.ts';
import { encodeNetworkAuthorization, networkRefusal } from './encode-network-authorization.ts';
import { refusal } from './encode-peer-authentication.ts';
import { defaultTrustDomain, type PolicyFilters } from './encode-policy-filters.ts';
import { tcpProxy } from './encode-tcp-proxy.ts';
import { downstreamSocket, tcpProtocol } from './encode-transport-security.ts';
import { type EncodedResource, encodeResource } from './encoded-resource.ts';
import { chain, type Match } from './filter-chain.ts';
import { detectedHttp, interceptedAddresses, redirectedFields } from './intercepted-listener.ts';
import { httpInspector, originalDst, originalSrc, tlsInspector } from './listener-filters.ts';
import type { PortRange } from './port-ranges.ts';
import type { ProxyPolicies } from './proxy-policies.ts';
import type { Telling } from './proxy-telemetry.ts';
import {
  inboundListenerName,
  inboundName,
  inboundPassthroughCluster,
  inboundRefusedCluster,
} from './resource-names.ts';

type Mode = Pick<ProxyPolicies, 'mode' | 'modeReason'>;

/** A port of the application, and what holds there. */
export interface InboundPort extends Mode {
  readonly port: number;
  readonly protocol: AppProtocol | null;
  /** Null: it speaks tcp. */
  readonly http: PolicyFilters | null;
}

export interface InterceptedInbound {
  readonly ports: readonly InboundPort[];
  /** Of ports that nobody named. */
  readonly others: Mode;
  readonly authorizations: ProxyPolicies['authorizations'];
}

export function encodeInterceptedInbound(proxy: Telling, inbound: InterceptedInbound): EncodedResource {
  const { ports, others, authorizations } = inbound;
  const unnamed = new PortChains(proxy, null, others, authorizations, null);
  const chains = [
    loopChain(proxy),
    ...ports.flatMap(({ port, protocol, http, ...mode }) =>
      new PortChains(proxy, port, mode, authorizations, http).of(protocol),
    ),
    ...unnamed.secured('tcp'),
  ];
  const tcpPorts = ports.filter(({ protocol }) => protocol === 'tcp');
  const plainPorts = tcpPorts.filter(({ mode }) => mode === 'DISABLE' || proxy.identity === null);
  const listener = create(ListenerSchema, {
    name: inboundListenerName,
    ...interceptedAddresses(proxy.inboundListen, proxy.ipFamilies, { IPv4: '0.0.0.0', IPv6: '::' }),
    trafficDirection: TrafficDirection.INBOUND,
    ...(proxy.interception === 'TPROXY' ? { transparent: true } : {}),
    listenerFilters: [
      originalDst(),
      ...(proxy.interception === 'TPROXY' ? [originalSrc()] : []),
      tlsInspector(plainPorts.map(portRange)),
      httpInspector([...tcpPorts.map(portRange), ...proxy.opaquePorts]),
    ],
    ...redirectedFields(),
    filterChains: chains,
    defaultFilterChain: unnamed.plainTcp('default', {}),
  });
  return encodeResource(ListenerSchema, inboundListenerName, listener);
}

function portRange({ port }: InboundPort): PortRange {
  return { start: port, end: port };
}

/** Nobody means the listener itself: instances are called at their application's ports, and rules bring that here. What comes to its own port is led back for ever, or goes around what is said of those ports. By its name our sidecar tells it. */
function loopChain(proxy: Telling): FilterChain {
  return chain('loop', { destinationPort: proxy.inboundListen.port }, [tcpProxy(proxy, inboundRefusedCluster)]);
}

/** `port` null: any that no other chain names. `filters` null: nothing is known of requests there. */
class PortChains {
  readonly #proxy: Telling;
  readonly #port: number | null;
  readonly #cluster: string;
  readonly #mode: Mode;
  readonly #authorization: readonly Filter[];
  readonly #http: PolicyFilters | null;

  constructor(
    proxy: Telling,
    port: number | null,
    mode: Mode,
    authorizations: ProxyPolicies['authorizations'],
    http: PolicyFilters | null,
  ) {
    this.#proxy = proxy;
    this.#port = port;
    this.#cluster = port === null ? inboundPassthroughCluster : inboundName(port);
    this.#mode = mode;
    this.#authorization = encodeNetworkAuthorization(authorizations, {
      kind: proxy.kind,
      trustDomain: proxy.identity?.trustDomain ?? defaultTrustDomain,
      appPort: port,
    });
    this.#http = http;
  }

  /** Every chain of the port. */
  of(protocol: AppProtocol | null): FilterChain[] {
    if (protocol === 'tcp') return [...this.secured('tcp'), ...this.#plain('tcp')];
    if (protocol !== null) return [...this.secured('http'), ...this.#plain('http')];
    return [...this.secured('any'), ...this.#plain('any')];
  }

  /** Of callers with a certificate; TLS that the application speaks itself passes where the mode lets it. */
  secured(what: 'tcp' | 'http' | 'any'): FilterChain[] {
    const { mode } = this.#mode;
    const { identity } = this.#proxy;
    if (mode === 'DISABLE' || identity === null) return [];
    const tls: Match = { transportProtocol: 'tls' };
    const ours: Match = { ...tls, applicationProtocols: [tcpProtocol] };
    const tcp = (match: Match): FilterChain =>
      this.#chain(
        'mtls-tcp',
        match,
        [...this.#authorization, tcpProxy(this.#proxy, this.#cluster)],
        downstreamSocket([tcpProtocol]),
      );
    const http = (): FilterChain =>
      this.#chain('mtls', tls, [this.#manager('inbound', true, this.#http!.filters)], downstreamSocket());
    if (what === 'http') return [http()];
    if (what === 'any') return [tcp(ours), http()];
    return mode === 'STRICT' ? [tcp(tls)] : [tcp(ours), this.plainTcp('tls', tls)];
  }

  #plain(what: 'tcp' | 'http' | 'any'): FilterChain[] {
    const { mode } = this.#mode;
    // Where nothing comes by mTLS, nothing has to be told apart from it.
    const apart = mode !== 'DISABLE' && this.#proxy.identity !== null;
    const match: Match = apart ? { transportProtocol: 'raw_buffer' } : {};
    if (what === 'tcp') return [this.plainTcp('plaintext', match)];
    if (what === 'http') return [this.#plainHttp('plaintext', match)];
    return [
      this.#plainHttp('plaintext-http', { transportProtocol: 'raw_buffer', applicationProtocols: detectedHttp }),
      this.plainTcp('plaintext', { transportProtocol: 'raw_buffer' }),
      ...(apart ? [] : [this.plainTcp('tls', { transportProtocol: 'tls' })]),
    ];
  }

  #plainHttp(name: string, match: Match): FilterChain {
    const { mode, modeReason } = this.#mode;
    const filters = this.#refuses ? [refusal(modeReason)] : this.#http!.filters;
    return this.#chain(name, match, [
      this.#manager(mode === 'DISABLE' ? 'inbound' : 'inbound_plaintext', false, filters),
    ]);
  }

  /** Refused: nobody is even connected to the application, which may be the first to speak. */
  plainTcp(name: string, match: Match): FilterChain {
    return this.#chain(
      name,
      match,
      this.#refuses
        ? [networkRefusal(this.#mode.modeReason), tcpProxy(this.#proxy, inboundRefusedCluster)]
        : [...this.#authorization, tcpProxy(this.#proxy, this.#cluster)],
    );
  }

  get #refuses(): boolean {
    return this.#mode.mode === 'STRICT';
  }

  #manager(statPrefix: string, mtls: boolean, filters: PolicyFilters['filters']): Filter {
    const strictPaths = this.#http?.comparesPaths ?? false;
    return managerFilter(
      proxyManager({ proxy: this.#proxy, statPrefix, routeName: this.#cluster, filters, mtls, strictPaths }),
    );
  }

  #chain(name: string, match: Match, filters: readonly Filter[], socket?: TransportSocket): FilterChain {
    const at = this.#port;
    return at === null
      ? chain(name, match, filters, socket)
      : chain(`${inboundName(at)}${name}`, { destinationPort: at, ...match }, filters, socket);
  }
}
