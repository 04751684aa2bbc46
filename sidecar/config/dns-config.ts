/** A listener that answers questions of DNS: our own frozen form of Envoy's DnsFilterConfig. Made and validated only in sidecar/xds. */
import type { SocketAddress } from './listener-config.ts';

export interface DnsConfig {
  readonly statPrefix: string;
  /** Names that are answered here; first of equals wins. */
  readonly domains: readonly DnsDomainConfig[];
  /** Where all other names are asked; null: there are none for us but those above. */
  readonly upstream: DnsUpstreamConfig | null;
}

export interface DnsDomainConfig {
  /** A host name, or `*.` and one. */
  readonly name: string;
  /** IPv4 and IPv6, at least one. */
  readonly addresses: readonly string[];
  /** Default 300. */
  readonly ttlSeconds: number;
}

export interface DnsUpstreamConfig {
  /** Null: those of /etc/resolv.conf. */
  readonly resolvers: readonly SocketAddress[] | null;
  /** `use_tcp_for_dns_lookups`: TCP alone. Default: UDP, and TCP for an answer that does not fit. */
  readonly tcpOnly: boolean;
  /** `resolver_timeout`: for one question, with all its tries; default 5 s. */
  readonly timeoutMs: number;
  /** `external_retry_count`: rounds behind the first. */
  readonly retries: number;
  /** `max_pending_lookups`: questions that wait for an answer from elsewhere. Default 256. */
  readonly maxPending: number;
}
