/**
 * All running clusters by name. Takes over configurations: clusters whose configuration object is the same go on untouched, changed and removed ones
 * finish what they carry. Not a balancer and not a pool; see running-cluster.ts.
 */
import type { ProxyError } from '../codec/proxy-error.ts';
import type { ClusterConfig, LoadAssignmentConfig } from '../config/cluster-config.ts';
import type { Configuration, ConfigurationSink } from '../config/configuration.ts';
import { type ClusterContext, RunningCluster } from './running-cluster.ts';
import type { Cluster, ClusterLookup } from './upstream.ts';

export class ClusterManager implements ClusterLookup, ConfigurationSink {
  readonly #context: ClusterContext;
  #clusters = new Map<string, RunningCluster>();
  readonly #origins = new Map<string, 'static' | 'dynamic'>();

  constructor(context: ClusterContext) {
    this.#context = context;
  }

  cluster(name: string): Cluster | undefined {
    return this.#clusters.get(name);
  }

  get running(): Iterable<RunningCluster> {
    return this.#clusters.values();
  }

  /** Whether a cluster came by the bootstrap or by xDS; for dumps. */
  addedViaApi(name: string): boolean {
    return this.#origins.get(name) === 'dynamic';
  }

  apply(configuration: Configuration): void {
    const next = new Map<string, RunningCluster>();
    this.#origins.clear();
    for (const [name, { value, origin }] of configuration.clusters) {
      const known = this.#clusters.get(name);
      const cluster = known?.config === value ? known : new RunningCluster(value, this.#context);
      cluster.setAssignment(assignmentOf(value, configuration));
      next.set(name, cluster);
      this.#origins.set(name, origin);
    }
    const before = this.#clusters;
    this.#clusters = next;
    for (const [name, cluster] of before) {
      if (next.get(name) === cluster) continue;
      cluster.drain();
      // A changed cluster keeps its statistics; those of a removed one go, so that churn does not grow memory.
      if (!next.has(name)) this.#context.stats.removePrefix(`cluster.${cluster.config.statName}.`);
    }
  }

  /** Closes connections as they become idle: the process is ending. */
  drain(): void {
    for (const cluster of this.#clusters.values()) cluster.drain();
  }

  destroyAll(error: ProxyError): void {
    for (const cluster of this.#clusters.values()) cluster.destroy(error);
  }
}

function assignmentOf(config: ClusterConfig, configuration: Configuration): LoadAssignmentConfig | null {
  if (config.discovery.kind === 'static') return config.discovery.assignment;
  return configuration.assignments.get(config.discovery.serviceName)?.value ?? null;
}
