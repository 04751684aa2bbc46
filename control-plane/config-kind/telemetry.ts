/** Telemetry (`outrigger.dev/v1`): what workloads tell of their requests: traces, access logs and labels of metrics. Of several that hold for a workload the most specific counts, for traces field by field. */
import { z } from 'zod';
import { routeMetadata } from './object-metadata.ts';
import { checkTargets, policyBase, targetFields } from './policy-target.ts';
import type { Place } from './resource.ts';
import { accessLog, accessLogSettings } from './telemetry-access-log.ts';
import { metricSettings, metrics } from './telemetry-metrics.ts';
import type { TelemetryResource } from './telemetry-resource.ts';
import { tracing, tracingSettings } from './telemetry-tracing.ts';

export const telemetry = z.strictObject({
  apiVersion: z.literal('outrigger.dev/v1'),
  kind: z.literal('Telemetry'),
  metadata: routeMetadata,
  spec: z
    .strictObject({
      ...targetFields,
      tracing: tracing
        .optional()
        .describe(
          'A field that is left out is as a less specific document says, and then its default. Default: no traces',
        ),
      accessLog: accessLog
        .optional()
        .describe('As a whole: what is left out has its default. Default: errors, as JSON, on stderr'),
      metrics: metrics
        .optional()
        .describe('As a whole. Of our sidecars; Envoy has metrics of its own. Default: the labels of docs/metrics.md'),
    })
    .check((context) => {
      checkTargets(context);
      const { value, issues } = context;
      if (value.tracing === undefined && value.accessLog === undefined && value.metrics === undefined)
        issues.push({
          code: 'custom',
          continue: true,
          input: value,
          path: [],
          message: 'says nothing; give tracing, accessLog or metrics',
        });
    }),
  status: z.unknown().optional().describe('Ignored'),
});

/** The validated document as our own type. */
export function telemetryResource(document: z.output<typeof telemetry>, place: Place): TelemetryResource {
  const { spec } = document;
  const base = policyBase(document, place);
  return {
    kind: 'Telemetry',
    ...base,
    tracing: spec.tracing === undefined ? null : tracingSettings(spec.tracing, base.namespace),
    accessLog: spec.accessLog === undefined ? null : accessLogSettings(spec.accessLog, base.namespace),
    metrics: spec.metrics === undefined ? null : metricSettings(spec.metrics),
  };
}

/** Every collector that a document names. */
export function collectorsOf({ tracing: traces, accessLog: logs }: Pick<TelemetryResource, 'tracing' | 'accessLog'>) {
  return [
    ...(traces?.exporters ?? []).map(({ target, protocol }) => ({ target, overGrpc: protocol === 'otlp-grpc' })),
    ...(logs?.sinks ?? []).flatMap((sink) => ('target' in sink ? [{ target: sink.target, overGrpc: true }] : [])),
  ];
}
