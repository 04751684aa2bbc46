/** What Telemetry documents say, in short, for rows of `outrigger get policies`. */
import type {
  AccessLogSettings,
  CollectorTarget,
  MetricSettings,
  TracingSettings,
} from '../config-kind/telemetry-resource.ts';
import type { TelemetryPolicy } from './policy-set.ts';
import { durationText } from './traffic-text.ts';

export function telemetryTexts({ tracing, accessLog, metrics, problems }: TelemetryPolicy): string[] {
  return [
    ...(tracing === null ? [] : [tracingText(tracing, problems)]),
    ...(accessLog === null ? [] : [accessLogText(accessLog, problems)]),
    ...(metrics === null ? [] : [metricsText(metrics)]),
  ];
}

type Problems = TelemetryPolicy['problems'];

function tracingText(tracing: TracingSettings, problems: Problems): string {
  const { enabled, samplingPercent, maxTracesPerSecond, exporters, propagation, keep } = tracing;
  if (enabled === false) return 'no traces';
  const parts = [
    ...(samplingPercent === null ? [] : [`${samplingPercent} %`]),
    ...(maxTracesPerSecond === null ? [] : [`at most ${maxTracesPerSecond} per second`]),
    ...(keep?.errors === true ? ['all errors'] : []),
    ...(keep === null || keep.slowerThanMs === null ? [] : [`all of ${durationText(keep.slowerThanMs)} and longer`]),
    ...(propagation === null ? [] : [`as ${propagation.join(', ')}`]),
    ...(exporters ?? []).map(({ protocol, target }) => `to ${placeText(target, problems)} by ${protocol}`),
  ];
  return parts.length === 0 ? 'traces' : `traces: ${parts.join(', ')}`;
}

function metricsText({ labels, omitLabels, omit }: MetricSettings): string {
  const parts = [
    ...labels.map(({ name }) => `with ${name}`),
    ...omitLabels.map((label) => `without ${label}`),
    ...omit.map((metric) => `no ${metric}`),
  ];
  return `metrics (Outrigger's sidecars only): ${parts.length === 0 ? 'as always' : parts.join(', ')}`;
}

function accessLogText({ mode, filter, format, sinks }: AccessLogSettings, problems: Problems): string {
  if (mode === 'off') return 'no access log';
  const narrowed = JSON.stringify(filter) !== JSON.stringify(anything);
  const to = sinks.map((sink) =>
    sink.kind === 'file'
      ? sink.path
      : 'target' in sink
        ? `${placeText(sink.target, problems)} by ${sink.kind}`
        : sink.kind,
  );
  return `access log: ${mode}${narrowed ? ' that pass a filter' : ''}, as ${format.kind === 'text' ? 'text' : 'JSON'}, to ${to.join(' and ')}`;
}

const anything: AccessLogSettings['filter'] = {
  minStatus: null,
  minDurationMs: null,
  flags: [],
  sharePercent: null,
  headers: [],
  expression: '',
};

function placeText(target: CollectorTarget, problems: Problems): string {
  const problem = problems[target.path];
  const place =
    target.kind === 'service'
      ? `${target.service}.${target.namespace}:${target.port}`
      : target.host.includes(':')
        ? `[${target.host}]:${target.port}`
        : `${target.host}:${target.port}`;
  return problem === undefined ? place : `${place} (${problem})`;
}
