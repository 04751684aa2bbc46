/** `tracing` of a Telemetry document: of which requests there are traces, what they hold, and where they go. */
import { z } from 'zod';
import { checkCollector, collectorFields, collectorTarget } from './collector.ts';
import { durationMs, durationWithin, optionalMs } from './duration.ts';
import { headerName } from './header-filter.ts';
import { percent, wholeWithin } from './number-within.ts';
import type { PropagationFormat, TraceExporter, TraceTag, TracingSettings } from './telemetry-resource.ts';

const propagationFormats = ['w3c', 'b3', 'b3multi'] as const satisfies readonly PropagationFormat[];
const defaultTimeoutMs = 10_000;

const headers = z
  .array(z.strictObject({ name: headerName, value: z.string().max(4096, { error: 'is longer than 4096 characters' }) }))
  .max(16, { error: 'has more than 16 entries' })
  .optional()
  .describe('Of each request to the collector');

const path = z
  .string()
  .regex(/^\/[!$-;=@-Z_a-z~%?]*$/, { error: 'is not a path; it begins with /' })
  .optional();

const timeout = durationWithin('10ms', '60s').optional().describe('For one export. Default: 10s');

const exporter = z
  .strictObject({
    otlp: z
      .strictObject({
        ...collectorFields,
        protocol: z.enum(['grpc', 'http']).optional().describe('Default: grpc'),
        path: path.describe('With protocol http. Default: /v1/traces'),
        headers,
        timeout,
      })
      .check((context) => {
        checkCollector(context);
        const { value, issues } = context;
        if (value.path !== undefined && value.protocol !== 'http')
          issues.push({
            code: 'custom',
            continue: true,
            input: value,
            path: ['path'],
            message: 'is for protocol http; a gRPC call has its own',
          });
      })
      .optional(),
    zipkin: z
      .strictObject({ ...collectorFields, path: path.describe('Default: /api/v2/spans'), timeout })
      .check(checkCollector)
      .optional(),
  })
  .check(({ value, issues }) => {
    if ((value.otlp === undefined) !== (value.zipkin === undefined)) return;
    issues.push({
      code: 'custom',
      continue: true,
      input: value,
      path: value.otlp === undefined ? [] : ['zipkin'],
      message:
        value.otlp === undefined
          ? 'is empty; give otlp or zipkin'
          : 'stands beside otlp; give each an entry of its own',
    });
  });

const text = z.string().min(1, { error: 'is empty' }).max(1024, { error: 'is longer than 1024 characters' });

const tag = z
  .strictObject({
    name: z.string().min(1, { error: 'is empty' }).max(253, { error: 'is longer than 253 characters' }),
    value: text.optional(),
    header: headerName.optional().describe('Of the request'),
    environment: z
      .string()
      .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, { error: 'is not the name of an environment variable' })
      .optional()
      .describe("Of the proxy's process"),
    default: text.optional().describe('With header or environment. Default: without it there is no tag'),
  })
  .check(({ value, issues }) => {
    const add = (field: string[], message: string): number =>
      issues.push({ code: 'custom', continue: true, input: value, path: field, message });
    const given = (['value', 'header', 'environment'] as const).filter((field) => value[field] !== undefined);
    if (given.length === 0) add([], 'has none of value, header and environment; give one of them');
    if (given.length > 1) add([given[1]!], `stands beside ${given[0]}; give one of them`);
    if (value.value !== undefined && value.default !== undefined) add(['default'], 'has no use beside value');
  });

export const tracing = z
  .strictObject({
    enabled: z.boolean().optional().describe('Default: true. With false, trace headers pass untouched'),
    sampling: percent
      .optional()
      .describe(
        'Per cent of the requests that bring no decision with them; who calls with a sampled trace is traced. Default: 1',
      ),
    maxTracesPerSecond: wholeWithin(1, 1_000_000)
      .optional()
      .describe('Of those chosen by sampling, at each proxy. Default: no limit'),
    exporters: z
      .array(exporter)
      .max(4, { error: 'has more than 4 entries' })
      .optional()
      .describe(
        'Every span goes to each. Empty: to nobody, but headers are handed on. An Envoy is sent the first only',
      ),
    propagation: z
      .array(z.enum(propagationFormats))
      .min(1, { error: 'is empty; leave it out' })
      .optional()
      .describe('Formats of trace headers: the first that comes is believed, all are written. Default: w3c'),
    keep: z
      .strictObject({
        errors: z
          .boolean()
          .optional()
          .describe('Answers of 500 and more, and what has a response flag. Default: false'),
        slowerThan: durationWithin('1ms', '24h').optional().describe('Default: none'),
      })
      .optional()
      .describe('Spans that are sent although sampling chose nothing: it is known at the end only. Our sidecar only'),
    tags: z.array(tag).max(64, { error: 'has more than 64 entries' }).optional().describe('Attributes of every span'),
    events: z.boolean().optional().describe('Phases of a request as events of its span. Default: false'),
  })
  .check(({ value, issues }) => {
    const add = (field: PropertyKey[], message: string): number =>
      issues.push({ code: 'custom', continue: true, input: value, path: field, message });
    if (Object.keys(value).length === 0) add([], 'says nothing; give sampling, exporters or the like');
    for (const [at, name] of (value.propagation ?? []).entries())
      if (value.propagation!.indexOf(name) < at) add(['propagation', at], 'stands there twice');
    const names = (value.tags ?? []).map(({ name }) => name);
    for (const [at, name] of names.entries())
      if (names.indexOf(name) < at) add(['tags', at, 'name'], `${JSON.stringify(name)} is the name of another tag too`);
  });

export function tracingSettings(written: z.output<typeof tracing>, namespace: string): TracingSettings {
  const { keep } = written;
  return {
    enabled: written.enabled ?? null,
    samplingPercent: written.sampling ?? null,
    maxTracesPerSecond: written.maxTracesPerSecond ?? null,
    exporters:
      written.exporters?.map((each, at) => traceExporter(each, namespace, `spec.tracing.exporters[${at}]`)) ?? null,
    propagation: written.propagation ?? null,
    keep: keep === undefined ? null : { errors: keep.errors ?? false, slowerThanMs: optionalMs(keep.slowerThan) },
    tags: written.tags?.map(traceTag) ?? null,
    events: written.events ?? null,
  };
}

function traceExporter({ otlp, zipkin }: z.output<typeof exporter>, namespace: string, at: string): TraceExporter {
  const timeoutMs = (written: string | undefined): number =>
    written === undefined ? defaultTimeoutMs : durationMs(written);
  if (zipkin !== undefined)
    return {
      protocol: 'zipkin',
      target: collectorTarget(zipkin, namespace, `${at}.zipkin`),
      path: zipkin.path ?? '/api/v2/spans',
      headers: [],
      timeoutMs: timeoutMs(zipkin.timeout),
    };
  const { protocol, path: httpPath, headers: given, timeout: written } = otlp!;
  return {
    protocol: protocol === 'http' ? 'otlp-http' : 'otlp-grpc',
    target: collectorTarget(otlp!, namespace, `${at}.otlp`),
    path: httpPath ?? '/v1/traces',
    headers: (given ?? []).map(({ name, value }) => [name.toLowerCase(), value] as const),
    timeoutMs: timeoutMs(written),
  };
}

function traceTag({ name, value, header, environment, default: defaultValue = '' }: z.output<typeof tag>): TraceTag {
  if (value !== undefined) return { name, from: { kind: 'literal', value } };
  return header === undefined
    ? { name, from: { kind: 'environment', name: environment!, defaultValue } }
    : { name, from: { kind: 'header', name: header.toLowerCase(), defaultValue } };
}
