/** Spans and providers for tests of the exporters. */
import type {
  ExportQueueConfig,
  OpenTelemetryProviderConfig,
  ZipkinProviderConfig,
} from '../../../config/tracing-config.ts';
import type { Span } from '../../span.ts';

export const queue: ExportQueueConfig = {
  maxQueueSpans: 64,
  maxQueueBytes: 1_000_000,
  maxBatchSpans: 8,
  delayMs: 1000,
};

export function span(overrides: Partial<Span> = {}): Span {
  return {
    traceId: '0af7651916cd43dd8448eb211c80319c',
    spanId: 'b7ad6b7169203331',
    parentSpanId: '',
    traceState: '',
    name: 'GET',
    kind: 'server',
    startWallMs: 1_790_000_000_000.125,
    endWallMs: 1_790_000_000_005.5,
    attributes: [],
    events: [],
    failed: false,
    statusMessage: '',
    ...overrides,
  };
}

export function spans(count: number): Span[] {
  return Array.from({ length: count }, (_, i) => span({ spanId: (i + 1).toString(16).padStart(16, '0') }));
}

export function otlpProvider(overrides: Partial<OpenTelemetryProviderConfig> = {}): OpenTelemetryProviderConfig {
  return {
    kind: 'opentelemetry',
    transport: 'grpc',
    cluster: 'xds',
    authority: 'collector',
    path: '/v1/traces',
    serviceName: 'orders',
    resourceAttributes: [],
    headers: [],
    timeoutMs: 10_000,
    queue,
    ...overrides,
  };
}

export function zipkinProvider(overrides: Partial<ZipkinProviderConfig> = {}): ZipkinProviderConfig {
  return {
    kind: 'zipkin',
    cluster: 'xds',
    path: '/api/v2/spans',
    hostname: '',
    traceId128: true,
    sharedSpanContext: false,
    serviceName: 'orders',
    timeoutMs: 10_000,
    queue,
    ...overrides,
  };
}
