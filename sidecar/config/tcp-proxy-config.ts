/** What Envoy's TCP proxy of a filter chain is configured to do, and who may use it: our frozen form. Made and validated only in sidecar/xds. */
import type { AccessLogConfig } from './access-log-config.ts';
import type { RbacConfig } from './rbac-config.ts';

export interface TcpProxyConfig {
  /** Never empty. */
  readonly statPrefix: string;
  /** One, or several by weight. Weights are at least 1. */
  readonly clusters: ReadonlyArray<{ readonly name: string; readonly weight: number }>;
  /** Neither side has sent anything for so long; default 1 h; 0: none. */
  readonly idleTimeoutMs: number;
  /** Upstream connections that are tried for one downstream connection; default 1. */
  readonly maxConnectAttempts: number;
  /** 0: none. */
  readonly maxConnectionDurationMs: number;
  readonly accessLogs: readonly AccessLogConfig[];
  /** `envoy.filters.network.rbac` in front of it, in order; `rulesStatPrefix` is the filter's `stat_prefix`. */
  readonly rbac: readonly RbacConfig[];
}
