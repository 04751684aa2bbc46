/** What Telemetry documents say for one proxy: the most specific first (workload, namespace, mesh), of each level the oldest; tracing field by field, the access log and metrics as a whole. Pure. */
import type {
  AccessLogSettings,
  CollectorTarget,
  MetricSettings,
  PropagationFormat,
  TraceExporter,
  TraceTag,
} from '../config-kind/telemetry-resource.ts';
import { holdsFor, type Workload } from '../model/peer-mode.ts';
import type { TelemetryPolicy } from '../model/policy-set.ts';
import type { ProxyNode } from './proxy-node.ts';

export interface ProxyTelemetry {
  /** Null: nobody says anything, or somebody says that there is none. */
  readonly tracing: ProxyTracing | null;
  /** Null: nobody says anything, and the default holds. */
  readonly accessLog: AccessLogSettings | null;
  /** Null: nobody says anything. */
  readonly metrics: MetricSettings | null;
}

/** Whose telemetry it is. */
export type Telling<Proxy = ProxyNode> = Proxy & { readonly telemetry: ProxyTelemetry };

export interface ProxyTracing {
  /** Of the workload: names in its spans. */
  readonly namespace: string;
  readonly service: string;
  readonly samplingPercent: number;
  /** 0: no limit. */
  readonly maxTracesPerSecond: number;
  /** Those that can be reached. */
  readonly exporters: readonly TraceExporter[];
  readonly propagation: readonly PropagationFormat[];
  readonly keepErrors: boolean;
  /** 0: none. */
  readonly keepSlowerThanMs: number;
  readonly tags: readonly TraceTag[];
  readonly events: boolean;
}

export const noTelemetry: ProxyTelemetry = Object.freeze({ tracing: null, accessLog: null, metrics: null });

const defaultSamplingPercent = 1;

/** `documents`: by level, then by age. */
export function proxyTelemetry(documents: readonly TelemetryPolicy[], workload: Workload): ProxyTelemetry {
  const mine = firstOfEachLevel(documents.filter(({ scope }) => holdsFor(scope, workload)));
  if (mine.length === 0) return noTelemetry;
  const said = mine.flatMap(({ tracing }) => tracing ?? []);
  const first = <Field extends keyof (typeof said)[number]>(
    field: Field,
  ): NonNullable<(typeof said)[number][Field]> | null => said.find((each) => each[field] !== null)?.[field] ?? null;
  const keep = first('keep');
  const logged = mine.find(({ accessLog }) => accessLog !== null);
  const problems = new Map(mine.map((each) => [each, each.problems]));
  const exporting = mine.find(({ tracing }) => tracing !== null && tracing.exporters !== null);
  const reachable = (from: TelemetryPolicy, target: CollectorTarget): boolean =>
    problems.get(from)![target.path] === undefined;
  return {
    tracing:
      said.length === 0 || first('enabled') === false
        ? null
        : {
            namespace: workload.namespace,
            service: workload.service,
            samplingPercent: first('samplingPercent') ?? defaultSamplingPercent,
            maxTracesPerSecond: first('maxTracesPerSecond') ?? 0,
            exporters: (exporting?.tracing?.exporters ?? []).filter(({ target }) => reachable(exporting!, target)),
            propagation: first('propagation') ?? ['w3c'],
            keepErrors: keep?.errors ?? false,
            keepSlowerThanMs: keep?.slowerThanMs ?? 0,
            tags: first('tags') ?? [],
            events: first('events') ?? false,
          },
    accessLog:
      logged === undefined
        ? null
        : {
            ...logged.accessLog!,
            sinks: logged.accessLog!.sinks.filter((sink) => !('target' in sink) || reachable(logged, sink.target)),
          },
    metrics: mine.find(({ metrics }) => metrics !== null)?.metrics ?? null,
  };
}

function firstOfEachLevel(documents: readonly TelemetryPolicy[]): readonly TelemetryPolicy[] {
  return documents.filter(({ level }, at) => documents.findIndex((each) => each.level === level) === at);
}
