/** A running OpenTelemetry Collector that writes the traces and logs it took into files. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePorts } from '../peers/free-port.ts';
import { StartedProgram } from '../peers/started-program.ts';
import { peer } from './programs.ts';

export interface CollectedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly status?: { readonly code?: number; readonly message?: string };
  readonly attributes?: ReadonlyArray<{ readonly key: string; readonly value: Readonly<Record<string, unknown>> }>;
  /** `service.name` of the resource. */
  readonly service: string;
}

interface Batch {
  readonly resourceSpans?: ReadonlyArray<{
    readonly resource: {
      readonly attributes: ReadonlyArray<{ readonly key: string; readonly value: { readonly stringValue: string } }>;
    };
    readonly scopeSpans: ReadonlyArray<{ readonly spans: readonly CollectedSpan[] }>;
  }>;
}

export class OtelCollector {
  readonly grpcPort: number;
  readonly httpPort: number;
  readonly zipkinPort: number;
  readonly #program: StartedProgram;
  readonly #traces: string;
  readonly #logs: string;

  private constructor(program: StartedProgram, ports: readonly number[], traces: string, logs: string) {
    this.#program = program;
    [this.grpcPort, this.httpPort, this.zipkinPort] = ports as [number, number, number];
    this.#traces = traces;
    this.#logs = logs;
  }

  /** `within`: what starts it somewhere else, as `ip netns exec NAME`. */
  static async start(folder: string, within: readonly string[] = []): Promise<OtelCollector> {
    const ports = await freePorts(3);
    const [grpc, http, zipkin] = ports;
    const file = join(folder, 'collector.json');
    const traces = join(folder, 'traces.json');
    const logs = join(folder, 'logs.json');
    const to = (path: string): object => ({ path, flush_interval: '50ms' });
    writeFileSync(
      file,
      JSON.stringify({
        receivers: {
          otlp: { protocols: { grpc: { endpoint: `127.0.0.1:${grpc}` }, http: { endpoint: `127.0.0.1:${http}` } } },
          zipkin: { endpoint: `127.0.0.1:${zipkin}` },
        },
        exporters: { 'file/traces': to(traces), 'file/logs': to(logs) },
        service: {
          telemetry: { metrics: { level: 'none' } },
          pipelines: {
            traces: { receivers: ['otlp', 'zipkin'], exporters: ['file/traces'] },
            logs: { receivers: ['otlp'], exporters: ['file/logs'] },
          },
        },
      }),
    );
    const program = new StartedProgram('otel-collector', [...within, peer('otel-collector'), '--config', file]);
    await program.line(/Everything is ready/, 20_000);
    return new OtelCollector(program, ports, traces, logs);
  }

  /** What came so far. */
  spans(): CollectedSpan[] {
    return lines(this.#traces).flatMap((line) =>
      ((JSON.parse(line) as Batch).resourceSpans ?? []).flatMap(({ resource, scopeSpans }) => {
        const service = resource.attributes.find(({ key }) => key === 'service.name')?.value.stringValue ?? '';
        return scopeSpans.flatMap(({ spans }) => spans.map((span) => ({ ...span, service })));
      }),
    );
  }

  /** Of logs, each batch as it was written. */
  logs(): string[] {
    return lines(this.#logs);
  }

  stop(): Promise<void> {
    return this.#program.stop();
  }
}

/** Whole ones. */
function lines(path: string): string[] {
  if (!existsSync(path)) return [];
  return readFileSync(path, 'utf8').split('\n').slice(0, -1);
}
