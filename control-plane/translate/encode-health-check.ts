/** Active health checks of a policy → Envoy's health_checks. */
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { type HealthCheck, HealthCheckSchema } from '../../proto/generated/envoy/config/core/v3/health_check_pb.js';
import type { HealthCheckSettings } from '../config-kind/traffic-resource.ts';
import type { PortDefinition } from '../model/model.ts';
import { durationOf } from './api-values.ts';

type Checker = NonNullable<MessageInitShape<typeof HealthCheckSchema>['healthChecker']>;

export function encodeHealthCheck(settings: HealthCheckSettings, definition: PortDefinition): HealthCheck {
  const { intervalMs, jitterMs, timeoutMs, unhealthyIntervalMs } = settings;
  return create(HealthCheckSchema, {
    timeout: durationOf(timeoutMs),
    interval: durationOf(intervalMs),
    ...(jitterMs === 0 ? {} : { intervalJitter: durationOf(jitterMs) }),
    unhealthyThreshold: settings.unhealthyThreshold,
    healthyThreshold: settings.healthyThreshold,
    // Envoy looks once a minute where there is no traffic, unless it is told.
    noTrafficInterval: durationOf(intervalMs),
    ...(unhealthyIntervalMs === null ? {} : { unhealthyInterval: durationOf(unhealthyIntervalMs) }),
    healthChecker: checkerOf(settings.probe, definition),
  });
}

function checkerOf(probe: HealthCheckSettings['probe'], { namespace, service, protocol }: PortDefinition): Checker {
  // Without one Envoy says the cluster's name, which is no host.
  const authority = `${service}.${namespace}`;
  switch (probe.type) {
    case 'http':
      return {
        case: 'httpHealthCheck',
        value: {
          host: probe.host === '' ? authority : probe.host,
          path: probe.path,
          // Ends before the end, there.
          expectedStatuses: probe.statuses.map(({ from, to }) => ({ start: BigInt(from), end: BigInt(to + 1) })),
          // As requests do.
          codecClientType: protocol === 'http2' || protocol === 'grpc' ? 1 : 0,
        },
      };
    case 'grpc':
      return { case: 'grpcHealthCheck', value: { serviceName: probe.service, authority } };
    case 'tcp':
      return {
        case: 'tcpHealthCheck',
        value: {
          ...(probe.send === '' ? {} : { send: payload(probe.send) }),
          receive: probe.receive === '' ? [] : [payload(probe.receive)],
        },
      };
    case 'tls':
      // A connection counts when its transport is there: with TLS, behind the handshake.
      return { case: 'tcpHealthCheck', value: {} };
  }
}

/** Envoy's `text` is hexadecimal. */
function payload(text: string) {
  return { payload: { case: 'text' as const, value: Buffer.from(text).toString('hex') } };
}
