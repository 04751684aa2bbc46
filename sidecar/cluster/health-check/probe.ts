/** One way to ask a host whether it is well: the seam between host-check.ts, which says when, and the protocols. */
import type { Socket } from 'node:net';
import type { ClientConnection, ClientConnectionOwner } from '../../codec/codec.ts';
import type { ConnectOwner, ConnectTarget } from '../../transport/connect.ts';
import type { RunningHost } from '../running-host.ts';
import type { CheckFailure } from './check-state.ts';

export interface Probe {
  /** Asks once; the owner is told the outcome once, later or from inside. Not while one is under way. */
  start(): void;
  /** It took too long: what is under way ends, with its connection; the owner hears nothing. */
  giveUp(): void;
  /** Nothing is asked any more. */
  close(): void;
}

export interface ProbeOwner {
  onProbePassed(degraded: boolean): void;
  /** The name of the service that answered is looked at. */
  onNameChecked(): void;
  /** `retriable`: counts towards the threshold only. `excludes`: the host asks not to be counted (`x-envoy-immediate-health-check-fail`). */
  onProbeFailed(why: Exclude<CheckFailure, 'passive'>, reason: string, retriable?: boolean, excludes?: boolean): void;
}

/** How probes reach a host. Implemented by RunningCluster. */
export interface ProbeContext {
  readonly clusterName: string;
  openTransport(target: ConnectTarget, owner: ConnectOwner): { cancel(): void };
  /** Where and how the host is checked: the cluster's TLS, by `protocol` its ALPN. No time limit: the check has one. */
  probeTarget(host: RunningHost, protocol: 'http1' | 'http2' | 'tcp'): ConnectTarget;
  createProbeCodec(protocol: 'http1' | 'http2', socket: Socket, owner: ClientConnectionOwner): ClientConnection;
}
