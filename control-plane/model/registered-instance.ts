/** A running instance, as the registration API or Kubernetes knows it: the model's second source beside resources. */

export interface RegisteredInstance {
  readonly namespace: string;
  readonly service: string;
  /** Unique within the service. */
  readonly instanceId: string;
  /** IP literal: where callers' sidecars reach it; with a sidecar beside it, the sidecar's inbound listener. */
  readonly address: string;
  /** With {@link byTargetPort} it may be 0. */
  readonly port: number;
  /** Name of the service's port that this is; '' : of every port. */
  readonly portName: string;
  readonly labels: Readonly<Record<string, string>>;
  /** '' : none. */
  readonly zone: string;
  /** At least 1. */
  readonly weight: number;
  readonly healthy: boolean;
  /** SPIFFE ID, proven when it registered; '' : none, it takes plaintext only. */
  readonly identity: string;
  /** Absent: it registered by itself. */
  readonly source?: 'kubernetes';
  /** Its traffic is redirected: it is reached at a Service port's target port, or, where the Service has that port only, at `port`, unless it is 0. Default: false, always at `port`. */
  readonly byTargetPort?: boolean;
  /** It ends: it finishes what it has, and gets nothing new. Default: false. */
  readonly draining?: boolean;
}
