/** `accessLog` of a Telemetry document: of what there is a line, what stands in it, and where it goes. */
import { z } from 'zod';
import { celFault, logAttributes } from './cel-expression.ts';
import { checkCollector, collectorFields, collectorTarget } from './collector.ts';
import { durationWithin, optionalMs } from './duration.ts';
import { headerName } from './header-filter.ts';
import { logFormatFault } from './log-operator.ts';
import { percent, wholeWithin } from './number-within.ts';
import type { AccessLogFormat, AccessLogSettings, AccessLogSink } from './telemetry-resource.ts';

/** Those that Envoy's filter knows; CB is ours and is not among them. */
const flags = [
  ...[
    'DC',
    'DF',
    'DI',
    'DO',
    'DPE',
    'DR',
    'DT',
    'FI',
    'IH',
    'LH',
    'LR',
    'NC',
    'NFCF',
    'NR',
    'OM',
    'RFCF',
    'RL',
    'RLSE',
  ],
  ...['SI', 'UAEX', 'UC', 'UF', 'UH', 'UMSDR', 'UO', 'UPE', 'UR', 'URX', 'UT'],
] as const;

const format = z
  .string()
  .max(16_384, { error: 'is longer than 16384 characters' })
  .superRefine((text, context) => {
    const fault = logFormatFault(text);
    if (fault !== null) context.addIssue({ code: 'custom', message: fault });
  });

const celExpression = z.string().superRefine((text, context) => {
  const fault = celFault(text, logAttributes);
  if (fault !== null) context.addIssue({ code: 'custom', message: fault });
});

const logName = z
  .string()
  .min(1, { error: 'is empty; leave it out' })
  .max(253, { error: 'is longer than 253 characters' })
  .optional()
  .describe('Tells logs apart there. Default: outrigger');

const service = z.strictObject({ ...collectorFields, logName }).check(checkCollector);

const sink = z
  .strictObject({
    stdout: z.strictObject({}).optional(),
    stderr: z.strictObject({}).optional(),
    file: z
      .strictObject({
        path: z
          .string()
          .regex(/^\/[^\0]+$/, { error: 'is not an absolute path' })
          .max(4096, { error: 'is longer than 4096 characters' }),
      })
      .optional()
      .describe('Opened again at SIGUSR1, for who rotates it'),
    otlp: service.optional().describe("OpenTelemetry's logs, over gRPC"),
    als: service.optional().describe("Envoy's access log service, over gRPC"),
  })
  .check(({ value, issues }) => {
    const given = Object.keys(value);
    if (given.length === 1) return;
    issues.push({
      code: 'custom',
      continue: true,
      input: value,
      path: given.length === 0 ? [] : [given[1]!],
      message:
        given.length === 0
          ? 'is empty; give stdout, stderr, file, otlp or als'
          : `stands beside ${given[0]}; give each an entry of its own`,
    });
  });

export const accessLog = z
  .strictObject({
    mode: z
      .enum(['all', 'errors', 'off'])
      .optional()
      .describe('errors: answers of 500 and more, and what has a response flag. Default: errors'),
    filter: z
      .strictObject({
        minStatus: wholeWithin(100, 599).optional(),
        minDuration: durationWithin('1ms', '24h').optional(),
        flags: z
          .array(z.enum(flags))
          .min(1, { error: 'is empty; leave it out' })
          .optional()
          .describe('One of these response flags'),
        share: percent
          .optional()
          .describe('Per cent of them, chosen by the request id: the same requests at every hop'),
        headers: z
          .array(z.strictObject({ name: headerName, value: z.string().optional().describe('Default: any') }))
          .min(1, { error: 'is empty; leave it out' })
          .max(8, { error: 'has more than 8 entries' })
          .optional()
          .describe('Of the request'),
        cel: celExpression.optional().describe('On what is known of a request at its end (response.code)'),
      })
      .optional()
      .describe('Of what the mode leaves: all of what is given has to hold'),
    format: z
      .strictObject({
        json: z
          .record(z.string().min(1), format)
          .refine((fields) => Object.keys(fields).length > 0, { error: 'is empty; leave it out for the default' })
          .optional()
          .describe("Fields, with Envoy's operators: %REQ(:METHOD)%"),
        text: format
          .min(1, { error: 'is empty; leave it out' })
          .optional()
          .describe('One line, with the same operators'),
      })
      .check(({ value, issues }) => {
        if (value.json !== undefined && value.text !== undefined)
          issues.push({
            code: 'custom',
            continue: true,
            input: value,
            path: ['text'],
            message: 'stands beside json; give one of them',
          });
      })
      .optional()
      .describe('Default: JSON with every field that explain needs'),
    to: z
      .array(sink)
      .min(1, { error: 'is empty; say mode: off' })
      .max(4, { error: 'has more than 4 entries' })
      .optional()
      .describe('Default: stderr'),
  })
  .check(({ value, issues }) => {
    const add = (field: string[], message: string): number =>
      issues.push({ code: 'custom', continue: true, input: value, path: field, message });
    if (Object.keys(value).length === 0) add([], 'says nothing; give mode, filter, format or to');
    if (value.mode === 'off')
      for (const field of ['filter', 'format', 'to'] as const)
        if (value[field] !== undefined) add([field], 'has no use beside mode: off');
  });

export function accessLogSettings(written: z.output<typeof accessLog>, namespace: string): AccessLogSettings {
  const { mode, filter, format: form, to } = written;
  return {
    mode: mode ?? 'errors',
    filter: {
      minStatus: filter?.minStatus ?? null,
      minDurationMs: optionalMs(filter?.minDuration),
      flags: filter?.flags ?? [],
      sharePercent: filter?.share ?? null,
      headers: (filter?.headers ?? []).map(({ name, value }) => ({ name: name.toLowerCase(), value: value ?? null })),
      expression: filter?.cel ?? '',
    },
    format: formatOf(form),
    sinks: to?.map((each, at) => sinkOf(each, namespace, `spec.accessLog.to[${at}]`)) ?? [{ kind: 'stderr' }],
  };
}

function formatOf(written: z.output<typeof accessLog>['format']): AccessLogFormat {
  if (written?.json !== undefined) return { kind: 'json', fields: Object.entries(written.json) };
  return written?.text === undefined ? { kind: 'default' } : { kind: 'text', text: written.text };
}

function sinkOf({ stdout, file, otlp, als }: z.output<typeof sink>, namespace: string, at: string): AccessLogSink {
  if (file !== undefined) return { kind: 'file', path: file.path };
  const kind = otlp === undefined ? 'als' : 'otlp';
  const written = otlp ?? als;
  if (written === undefined) return { kind: stdout === undefined ? 'stderr' : 'stdout' };
  return {
    kind,
    target: collectorTarget(written, namespace, `${at}.${kind}`),
    logName: written.logName ?? 'outrigger',
  };
}
