/** Makes the codec of an upstream connection from its cluster's configuration. The only place in cluster/ that knows the codecs by name. */
import { defaultHttp2Limits, type Http2Limits, type HttpLimits } from '../codec/limits.ts';
import type { ClusterConfig } from '../config/cluster-config.ts';
import { Http1ClientConnection } from '../http1/client-connection.ts';
import { Http2ClientConnection } from '../http2/client-connection.ts';
import type { Clock } from '../runtime/clock.ts';
import type { TimerWheel } from '../runtime/timer-wheel.ts';
import type { CreateClientCodec } from './running-cluster.ts';

interface Limits {
  readonly http: HttpLimits;
  readonly http2: Http2Limits;
}

/** Most bytes that may wait for one upstream to take them, whatever `per_connection_buffer_limit_bytes` says: memory follows use (design.md). */
const mostBufferedBytes = 256 * 1024;

/** Limits are worked out once per configuration object. */
const limitsOf = new WeakMap<ClusterConfig, Limits>();

/** Codecs for {@link ClusterManager}, on this clock and wheel. */
export function clientCodecs(clock: Clock, wheel: TimerWheel): CreateClientCodec {
  return (protocol, socket, owner, config) => {
    const limits = limitsOf.get(config) ?? rememberLimits(config);
    if (protocol === 'http1') return new Http1ClientConnection(socket, owner, limits.http);
    return new Http2ClientConnection(socket, owner, limits.http, limits.http2, {
      // Hosts of one cluster may differ in this: what counts is the connection.
      scheme: 'encrypted' in socket ? 'https' : 'http',
      clock,
      wheel,
    });
  };
}

function rememberLimits(config: ClusterConfig): Limits {
  const highWatermarkBytes = Math.min(config.bufferLimitBytes || mostBufferedBytes, mostBufferedBytes);
  const limits: Limits = Object.freeze({
    http: Object.freeze({
      maxHeadBytes: config.maxHeadBytes,
      maxFields: config.maxFields,
      highWatermarkBytes,
      lowWatermarkBytes: highWatermarkBytes / 4,
    }),
    http2: Object.freeze({ ...defaultHttp2Limits, ...config.http2 }),
  });
  limitsOf.set(config, limits);
  return limits;
}
