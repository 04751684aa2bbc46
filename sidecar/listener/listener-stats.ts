/** A listener's statistics under Envoy's names, looked up once when the listener is made. */
import type { SocketAddress } from '../config/listener-config.ts';
import type { Counter, Gauge, StatStore } from '../stats/stat-store.ts';
import type { PeerFaultReason } from '../transport/peer-certificate.ts';
import { addressText } from './bound-socket.ts';

export class ListenerStats {
  /** `listener.0.0.0.0_15006.` */
  readonly prefix: string;
  readonly connections: Counter;
  readonly connectionsActive: Gauge;
  readonly connectionsDestroyed: Counter;
  /** Accepted, and no filter chain chosen yet. */
  readonly inspecting: Gauge;
  readonly inspectionTimeouts: Counter;
  readonly noFilterChain: Counter;
  /** Silent callers whose upstream spoke first, and those that spoke after all. */
  readonly upstreamFirst: Counter;
  readonly callerFirst: Counter;
  readonly handshakes: Counter;
  readonly handshakeErrors: Counter;
  readonly handshakeTimeouts: Counter;
  readonly peerRefused: Counter;
  /** Connections that were reset because the certificate or the CA of this listener has not come. */
  readonly secretMissing: Counter;
  readonly sessionsReused: Counter;
  readonly #store: StatStore;

  constructor(store: StatStore, address: SocketAddress) {
    this.#store = store;
    const prefix = `listener.${addressText(address).replaceAll(':', '_')}.`;
    this.prefix = prefix;
    this.connections = store.counter(`${prefix}downstream_cx_total`);
    this.connectionsActive = store.gauge(`${prefix}downstream_cx_active`);
    this.connectionsDestroyed = store.counter(`${prefix}downstream_cx_destroy`);
    this.inspecting = store.gauge(`${prefix}downstream_pre_cx_active`);
    this.inspectionTimeouts = store.counter(`${prefix}downstream_pre_cx_timeout`);
    this.noFilterChain = store.counter(`${prefix}no_filter_chain_match`);
    this.upstreamFirst = store.counter(`${prefix}outrigger_race_upstream_first`);
    this.callerFirst = store.counter(`${prefix}outrigger_race_caller_first`);
    this.handshakes = store.counter(`${prefix}ssl.handshake`);
    this.handshakeErrors = store.counter(`${prefix}ssl.connection_error`);
    this.handshakeTimeouts = store.counter(`${prefix}downstream_cx_transport_socket_connect_timeout`);
    this.peerRefused = store.counter(`${prefix}ssl.fail_verify_error`);
    this.secretMissing = store.counter(`${prefix}server_ssl_socket_factory.downstream_context_secrets_not_ready`);
    this.sessionsReused = store.counter(`${prefix}ssl.session_reused`);
  }

  /** A connection was going to this very sidecar, and was cut. */
  countLoop(): void {
    this.#store.counter(`${this.prefix}outrigger_loops`, 'outrigger_interception_loops_total', {
      listener: this.prefix.slice('listener.'.length, -1),
    }).value++;
  }

  /** Somebody outside said that he was calling loopback, and was cut. */
  countForged(): void {
    this.#store.counter(`${this.prefix}outrigger_forged_destinations`, 'outrigger_forged_destinations_total', {
      listener: this.prefix.slice('listener.'.length, -1),
    }).value++;
  }

  /** A peer was refused: beside Envoy's `fail_verify_error`, by reason. */
  countPeerFault(reason: PeerFaultReason): void {
    const own =
      reason === 'wrong-name' || reason === 'wrong-trust-domain' ? 'san' : reason === 'no-certificate' ? 'no_cert' : '';
    if (own !== '') this.#store.counter(`${this.prefix}ssl.fail_verify_${own}`).value++;
    const name = `${this.prefix}ssl.outrigger_peers_refused`;
    this.#store.counter(name, 'outrigger_tls_peers_refused_total', {
      side: 'downstream',
      listener: this.prefix.slice('listener.'.length, -1),
      reason,
    }).value++;
  }
}

/** `listener_manager.*`. */
export class ListenerManagerStats {
  readonly added: Counter;
  readonly modified: Counter;
  readonly removed: Counter;
  /** Behind the same socket. */
  readonly updatedInPlace: Counter;
  readonly created: Counter;
  readonly failed: Counter;
  readonly idleClosed: Counter;
  readonly active: Gauge;
  readonly draining: Gauge;

  constructor(store: StatStore) {
    this.added = store.counter('listener_manager.listener_added');
    this.modified = store.counter('listener_manager.listener_modified');
    this.removed = store.counter('listener_manager.listener_removed');
    this.updatedInPlace = store.counter('listener_manager.listener_in_place_updated');
    this.created = store.counter('listener_manager.listener_create_success');
    this.failed = store.counter('listener_manager.listener_create_failure');
    this.idleClosed = store.counter('listener_manager.downstream_cx_overload_idle_closed');
    this.active = store.gauge('listener_manager.total_listeners_active');
    this.draining = store.gauge('listener_manager.total_listeners_draining');
  }
}
