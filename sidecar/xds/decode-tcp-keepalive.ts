/** `upstream_connection_options.tcp_keepalive` → TcpKeepAliveConfig. */
import type { TcpKeepAliveConfig } from '../config/cluster-config.ts';
import type { TcpKeepalive } from './api/envoy/config/core/v3/address_pb.js';
import { bounded } from './decode-value.ts';
import { at, type Faults } from './fault.ts';

/** Linux: TCP_KEEPIDLE and TCP_KEEPINTVL take at most 32767 s, TCP_KEEPCNT at most 127. */
const mostSeconds = 32_767;
const mostProbes = 127;

export function tcpKeepAlive(
  message: TcpKeepalive | undefined,
  path: string,
  faults: Faults,
): TcpKeepAliveConfig | null {
  if (message === undefined) return null;
  return Object.freeze({
    idleMs: 1000 * bounded(message.keepaliveTime, 0, 1, mostSeconds, at(path, 'keepalive_time'), faults),
    intervalMs: 1000 * bounded(message.keepaliveInterval, 0, 1, mostSeconds, at(path, 'keepalive_interval'), faults),
    probes: bounded(message.keepaliveProbes, 0, 1, mostProbes, at(path, 'keepalive_probes'), faults),
  });
}
