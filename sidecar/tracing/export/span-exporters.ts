/**
 * The exporters of this sidecar: one per provider that is configured, however many connection managers name it, so that an update of a listener loses no spans and opens no second queue. An exporter that no
 * configuration names any more sends what it has and goes, when no connection of an older one can be left.
 */
import type { ClusterLookup } from '../../cluster/upstream.ts';
import type { Configuration } from '../../config/configuration.ts';
import type {
  OpenTelemetryProviderConfig,
  TracingProviderConfig,
  ZipkinProviderConfig,
} from '../../config/tracing-config.ts';
import { BatchExporter, type ExportTransport, mostBatchBytes } from '../../export/batch-exporter.ts';
import type { WriteMessage } from '../../export/message-memory.ts';
import { OtlpGrpcTransport } from '../../export/otlp-grpc-transport.ts';
import { OtlpHttpTransport } from '../../export/otlp-http-transport.ts';
import type { Clock, Random } from '../../runtime/clock.ts';
import { LingeringItems } from '../../runtime/lingering-items.ts';
import type { Log } from '../../runtime/log.ts';
import type { TimerWheel } from '../../runtime/timer-wheel.ts';
import type { StatStore } from '../../stats/stat-store.ts';
import type { Span, SpanSink } from '../span.ts';
import type { SpanSinks } from '../span-sinks.ts';
import { type ExporterKind, ExportStats } from './export-stats.ts';
import { encodeSpan, writeTraces } from './otlp-trace-message.ts';
import { SpanQueue } from './span-queue.ts';
import { encodeZipkinSpan } from './zipkin-message.ts';
import { ZipkinTransport } from './zipkin-transport.ts';

export interface SpanExportersInit {
  readonly clusters: ClusterLookup;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly random: Random;
  readonly log: Log;
  readonly stats: StatStore;
  /** `node.cluster` and `node.id`: which service and instance spans are of, where the configuration does not say. */
  readonly service: string;
  readonly instance: string;
  readonly version: string;
  /** How long connections of older configurations may last. */
  readonly lingerMs: number;
}

type OneProvider = OpenTelemetryProviderConfig | ZipkinProviderConfig;

/** How long an exporter may take to send what it has when it is not wanted any more. */
const farewellMs = 5_000;

const otlpGrpcPath = '/opentelemetry.proto.collector.trace.v1.TraceService/Export';

export class SpanExporters implements SpanSinks {
  readonly #init: SpanExportersInit;
  readonly #exporters: LingeringItems<SpanQueue>;
  /** Configurations are frozen and keep their identity: the text of one is made once. */
  readonly #keys = new WeakMap<TracingProviderConfig, string>();

  constructor(init: SpanExportersInit) {
    this.#init = init;
    this.#exporters = new LingeringItems(init.wheel, init.lingerMs, (exporter) => closed(exporter, farewellMs));
  }

  /** Exporters whose spans may still be under way. */
  get running(): number {
    return this.#exporters.size;
  }

  sink(provider: TracingProviderConfig): SpanSink {
    if (provider.kind !== 'several') return this.#exporter(provider);
    const sinks = provider.providers.map((each) => this.#exporter(each));
    return {
      offer(spans) {
        for (const sink of sinks) sink.offer(spans);
      },
    };
  }

  /** Exporters that the configuration does not name linger, and go. */
  retain(configuration: Configuration): void {
    if (this.#exporters.size === 0) return;
    const wanted = new Set<string>();
    for (const provider of providersOf(configuration))
      for (const each of provider.kind === 'several' ? provider.providers : [provider]) wanted.add(this.#keyOf(each));
    this.#exporters.retain((key) => wanted.has(key));
  }

  /** Sends what there is, for at most `limitMs`, or what is left of their time of those that are leaving; then all of them are over. */
  close(limitMs: number): Promise<void> {
    return this.#exporters.closeAll((exporter) => closed(exporter, limitMs));
  }

  #exporter(provider: OneProvider): SpanQueue {
    return this.#exporters.get(this.#keyOf(provider), () => {
      const { service, clusters, clock, stats, log, wheel, random } = this.#init;
      const serviceName = provider.serviceName === '' ? service : provider.serviceName;
      const { maxQueueSpans: maxItems, maxQueueBytes: maxBytes, maxBatchSpans: batchItems, delayMs } = provider.queue;
      const exporter = new BatchExporter({
        transport:
          provider.kind === 'zipkin'
            ? new ZipkinTransport(provider, clusters, clock)
            : this.#otlpTransport(provider, serviceName),
        queue: { maxItems, maxBytes, batchItems, batchBytes: mostBatchBytes, flushBytes: mostBatchBytes, delayMs },
        timeoutMs: provider.timeoutMs,
        observer: new ExportStats(stats, log, kindOf(provider), provider.cluster),
        wheel,
        random,
      });
      const encode = provider.kind === 'zipkin' ? (span: Span) => encodeZipkinSpan(span, serviceName) : encodeSpan;
      return new SpanQueue(encode, exporter);
    });
  }

  #otlpTransport(provider: OpenTelemetryProviderConfig, serviceName: string): ExportTransport {
    const { clusters, clock, instance, version } = this.#init;
    const { cluster, authority, path, headers, timeoutMs } = provider;
    const given = new Set(provider.resourceAttributes.map(([name]) => name));
    const resource = {
      attributes: [
        ...(
          [
            ['service.name', serviceName],
            ['service.instance.id', instance],
          ] as const
        ).filter(([name, value]) => value !== '' && !given.has(name)),
        ...provider.resourceAttributes,
      ],
      scopeName: 'outrigger',
      scopeVersion: version,
    };
    const write: WriteMessage = (out, spans) => writeTraces(out, spans, resource);
    const to = { clusters, clock, cluster, authority };
    return provider.transport === 'grpc'
      ? new OtlpGrpcTransport({ ...to, path: otlpGrpcPath, metadata: headers, timeoutMs }, write)
      : new OtlpHttpTransport({ ...to, path, headers }, write);
  }

  #keyOf(provider: OneProvider): string {
    let key = this.#keys.get(provider);
    if (key === undefined) this.#keys.set(provider, (key = JSON.stringify(provider)));
    return key;
  }
}

function closed(exporter: SpanQueue, limitMs: number): Promise<void> {
  return new Promise((resolve) => exporter.close(limitMs, resolve));
}

function kindOf(provider: OneProvider): ExporterKind {
  if (provider.kind === 'zipkin') return 'zipkin';
  return provider.transport === 'grpc' ? 'otlp_grpc' : 'otlp_http';
}

function providersOf({ listeners }: Configuration): TracingProviderConfig[] {
  const providers: TracingProviderConfig[] = [];
  for (const { value } of listeners.values())
    for (const chain of [...value.filterChains, value.defaultFilterChain]) {
      const provider = chain?.httpConnectionManager?.tracing?.provider ?? null;
      if (provider !== null) providers.push(provider);
    }
  return providers;
}
