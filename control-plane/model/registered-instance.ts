/** A running instance as the registration API knows it: the model's second source beside files. */

export interface RegisteredInstance {
  readonly namespace: string;
  readonly service: string;
  /** Unique within the service. */
  readonly instanceId: string;
  /** IP literal: where callers' sidecars reach it; with a sidecar beside it, the sidecar's inbound listener. */
  readonly address: string;
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
}
