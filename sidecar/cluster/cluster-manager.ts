/**
 * All running clusters by name. Takes over configurations: clusters whose configuration object is the same go on untouched; changed and removed ones
 * finish what they carry. A changed cluster with health checks takes over once each of its hosts was checked (Envoy's warming); until then the one before serves. Not a balancer and not a pool; see running-cluster.ts.
 */
import type { BreakerRegistry } from '../circuit-breaker/breaker-registry.ts';
import { ProxyError } from '../codec/proxy-error.ts';
import type { ClusterConfig, LoadAssignmentConfig } from '../config/cluster-config.ts';
import type { Configuration, ConfigurationSink } from '../config/configuration.ts';
import type { Clock, Random } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import { type TimerTarget, type TimerWheel, WheelTimer } from '../runtime/timer-wheel.ts';
import type { SecretLookup } from '../secret/secret-store.ts';
import type { StatStore } from '../stats/stat-store.ts';
import { type ConnectFailure, openTransport } from '../transport/connect.ts';
import type { OwnConnections } from '../transport/own-connections.ts';
import { kernelLiveness, type PeerLiveness } from '../transport/peer-liveness.ts';
import { clientCodecs } from './client-codec.ts';
import { type ClusterStatus, clusterStatus } from './cluster-status.ts';
import { type ClusterContext, type CreateClientCodec, type OpenTransport, RunningCluster } from './running-cluster.ts';
import type { Cluster, ClusterLookup } from './upstream.ts';

export interface ClusterManagerInit {
  readonly stats: StatStore;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly random: Random;
  /** Tests replace these two; default: the real codecs and sockets. */
  readonly createCodec?: CreateClientCodec;
  readonly openTransport?: OpenTransport;
  /** Whether hosts are there, of connections that are silent; default: by the system, where the sockets are real. */
  readonly liveness?: PeerLiveness | null;
  /** Certificates and CAs that clusters refer to by name; default: there are none. */
  readonly secrets?: SecretLookup | null;
  /** For what becomes of single connections (debug), and clusters whose upstreams prove nothing (warn). */
  readonly log?: Log | null;
  /** Told of every connection that is made; default: nobody wants to know. */
  readonly ownConnections?: OwnConnections;
  /** Where sockets lead to hosts of EDS at a loopback address; default: those are this machine's. */
  readonly hostLoopbackFolder?: string;
  /** Where circuit breakers live; default: clusters have none. */
  readonly breakers?: BreakerRegistry;
  /** A connection to a host of that cluster could not be made. */
  readonly onConnectFailed?: (clusterName: string, reason: ConnectFailure) => void;
}

/** Byte counters are brought up to date this often while there are connections, and whenever somebody calls collect(). */
const collectMs = 5_000;

export class ClusterManager implements ClusterLookup, ConfigurationSink, TimerTarget {
  readonly #context: ClusterContext;
  #clusters = new Map<string, RunningCluster>();
  /** Changed ones whose hosts were not all checked yet, by name. */
  #warming = new Map<string, RunningCluster>();
  /** Removed or replaced, and not yet without streams. */
  readonly #leaving = new Set<RunningCluster>();
  readonly #origins = new Map<string, 'static' | 'dynamic'>();
  readonly #timer: WheelTimer;

  constructor(init: ClusterManagerInit) {
    this.#context = {
      ...init,
      createCodec: init.createCodec ?? clientCodecs(init.clock, init.wheel),
      openTransport: init.openTransport ?? openTransport,
      liveness: init.liveness ?? (init.openTransport === undefined ? kernelLiveness : null),
    };
    this.#timer = new WheelTimer(this);
  }

  cluster(name: string): Cluster | undefined {
    return this.#clusters.get(name);
  }

  /** Those that serve now, by name. */
  get running(): ReadonlyMap<string, RunningCluster> {
    return this.#clusters;
  }

  /** Clusters that were removed or replaced and still carry streams. */
  get leavingCount(): number {
    return this.#leaving.size;
  }

  /** Makes the running clusters those of `configuration`. New ones are complete before old ones begin to drain. */
  apply(configuration: Configuration): void {
    const before = this.#clusters;
    const next = new Map<string, RunningCluster>();
    const warming = new Map<string, RunningCluster>();
    this.#origins.clear();
    for (const [name, { value, origin }] of configuration.clusters) {
      const known = before.get(name);
      const cluster = this.#clusterFor(name, value, known);
      if (believesAnybody(value) && (known === undefined || !believesAnybody(known.config)))
        this.#context.log?.warn(
          `cluster ${name}: its upstreams' certificates are not verified: its TLS context has no trusted_ca (docs/xds-support.md)`,
        );
      cluster.setAssignment(assignmentOf(value, configuration));
      if (known === undefined || known === cluster || (value.healthCheck ?? null) === null || cluster.warm)
        next.set(name, cluster);
      else {
        known.setAssignment(assignmentOf(known.config, configuration));
        next.set(name, known);
        warming.set(name, cluster);
      }
      this.#origins.set(name, origin);
    }
    this.#clusters = next;
    const warmedBefore = this.#warming;
    this.#warming = warming;
    for (const [name, cluster] of warmedBefore)
      if (warming.get(name) !== cluster && next.get(name) !== cluster) this.#retire(cluster);
    for (const [name, cluster] of warming)
      if (warmedBefore.get(name) !== cluster) cluster.whenWarm(() => this.#takeOver(name, cluster));
    const statNames = new Set([...next.values()].map((cluster) => cluster.config.statName));
    for (const [name, cluster] of before) {
      if (next.get(name) === cluster) continue;
      this.#retire(cluster);
      // A changed cluster keeps its statistics; those of a removed one go, so that churn does not grow memory.
      if (!statNames.has(cluster.config.statName)) cluster.stats.remove(statNames);
    }
    if (!this.#timer.armed && next.size > 0) this.#context.wheel.arm(this.#timer, collectMs);
  }

  #clusterFor(name: string, config: ClusterConfig, known: RunningCluster | undefined): RunningCluster {
    if (known?.config === config) return known;
    const warming = this.#warming.get(name);
    return warming?.config === config ? warming : new RunningCluster(config, this.#context, this.#onUnused);
  }

  /** It is warm: the one before goes. */
  #takeOver(name: string, cluster: RunningCluster): void {
    if (this.#warming.get(name) !== cluster) return;
    this.#warming.delete(name);
    const before = this.#clusters.get(name)!;
    this.#clusters.set(name, cluster);
    this.#retire(before);
    cluster.collect();
  }

  #retire(cluster: RunningCluster): void {
    this.#leaving.add(cluster);
    cluster.drain();
  }

  /** Resolves once every host of the clusters that are there now was checked, where they have health checks and hosts. At once when none has. */
  async hostsChecked(): Promise<void> {
    // Those whose hosts are yet to come have nobody to check.
    const checked = [...this.#clusters.values()].filter(
      ({ config }) => (config.healthCheck ?? null) !== null && config.discovery.kind === 'static',
    );
    await Promise.all(checked.map((cluster) => new Promise<void>((resolve) => cluster.whenWarm(resolve))));
  }

  /** Connections of a cluster get successors, made with the secrets as they are now; requests go on as if nothing were. */
  renewConnections(name: string): void {
    this.#clusters.get(name)?.renewConnections();
  }

  /** The process is ending: connections close as they become idle. Streams can still be asked for. */
  drain(): void {
    const clusters = [...this.#clusters.values(), ...this.#warming.values()];
    this.#warming = new Map();
    for (const cluster of clusters) cluster.drain();
  }

  /** Ends every connection; streams get `error`. */
  destroyAll(error: ProxyError = shuttingDown): void {
    this.#context.wheel.disarm(this.#timer);
    const clusters = [...this.#clusters.values(), ...this.#warming.values(), ...this.#leaving];
    this.#warming = new Map();
    for (const cluster of clusters) cluster.destroy(error);
  }

  /** Brings byte counters and our own gauges up to date: call it before statistics are shown. */
  collect(): void {
    for (const cluster of this.#clusters.values()) cluster.collect();
    for (const cluster of this.#leaving)
      for (const host of cluster.hosts.byAddress.values())
        host.eachPool((pool) => pool.connections.forEach((connection) => connection.collectBytes()));
  }

  onTimer(): void {
    this.collect();
    if (this.#clusters.size > 0) this.#context.wheel.arm(this.#timer, collectMs);
  }

  /** What `/clusters` shows; see cluster-status.ts. */
  dump(): ClusterStatus[] {
    return [...this.#clusters].map(([name, cluster]) => clusterStatus(cluster, this.#origins.get(name) === 'dynamic'));
  }

  readonly #onUnused = (cluster: RunningCluster): void => {
    this.#leaving.delete(cluster);
  };
}

/** TLS towards whoever answers. Envoy says nothing of it. */
function believesAnybody({ tls, transportMatches = [] }: ClusterConfig): boolean {
  return [tls, ...transportMatches.map((match) => match.tls)].some(
    (context) => context !== null && context.trustedCaPem === null && (context.trustSecret ?? null) === null,
  );
}

function assignmentOf(config: ClusterConfig, configuration: Configuration): LoadAssignmentConfig | null {
  if (config.discovery.kind === 'static') return config.discovery.assignment;
  if (config.discovery.kind === 'original-dst') return null;
  return configuration.assignments.get(config.discovery.serviceName)?.value ?? null;
}

const shuttingDown = new ProxyError({
  flag: 'UC',
  source: 'local',
  details: 'upstream_reset_before_response_started{local_connection_termination}',
  message: 'The sidecar shut down.',
});
