/** `metrics` of a Telemetry document: labels that metrics of requests have beside their usual ones, and what is left out of them. Each label has few values whatever callers send. */
import { z } from 'zod';
import { headerName } from './header-filter.ts';
import type { MetricSettings, RequestAttribute } from './telemetry-resource.ts';

const attributes = [
  'method',
  'responseClass',
  'destinationSubset',
  'destinationZone',
] as const satisfies readonly RequestAttribute[];

const defaultNames: Readonly<Record<RequestAttribute, string>> = {
  method: 'method',
  responseClass: 'response_class',
  destinationSubset: 'destination_subset',
  destinationZone: 'destination_zone',
};

/** Labels of all request metrics, and those that Prometheus gives itself. */
const taken: ReadonlySet<string> = new Set(
  'direction source destination route protocol code grpc_status flags reason le quantile instance job'.split(' '),
);

const value = z.string().min(1, { error: 'is empty' }).max(64, { error: 'is longer than 64 characters' });

const label = z
  .strictObject({
    name: z
      .string()
      .regex(/^(?:[a-zA-Z]|_[a-zA-Z0-9])[a-zA-Z0-9_]{0,62}$/, {
        error: 'is not the name of a label: letters, digits and _, at most 64, no digit and no __ at the beginning',
      })
      .optional()
      .describe('Default, without header: method, response_class, destination_subset, destination_zone'),
    from: z
      .enum(attributes)
      .optional()
      .describe(
        'method: of RFC 9110 or PATCH, else other. responseClass: 2xx. destinationSubset: of the destination, where a TrafficPolicy or route chose one. destinationZone: of the instance that was asked last',
      ),
    header: headerName.optional().describe('Of the request; with values'),
    values: z
      .array(value)
      .min(1, { error: 'is empty; name the values that are told apart' })
      .max(32, { error: 'has more than 32 entries' })
      .optional()
      .describe('Of header: those that are told apart, others are other. A request without it has no such label'),
  })
  .check(({ value: { name, from, header, values }, issues }) => {
    const add = (path: string[], message: string): number =>
      issues.push({ code: 'custom', continue: true, input: name, path, message });
    if ((from === undefined) === (header === undefined))
      add(
        from === undefined ? [] : ['header'],
        from === undefined ? 'has neither from nor header' : 'stands beside from; give one of them',
      );
    if (header !== undefined && name === undefined) add([], 'has no name; a label of a header needs one');
    if (header !== undefined && values === undefined)
      add([], 'has no values; a caller may send anything, so those that are told apart are listed');
    if (header === undefined && values !== undefined) add(['values'], 'is for header');
    if (name !== undefined && taken.has(name)) add(['name'], 'is a label of these metrics already');
    for (const [at, each] of (values ?? []).entries())
      if (values!.indexOf(each) < at) add(['values'], `${JSON.stringify(each)} stands there twice`);
  });

export const metrics = z
  .strictObject({
    labels: z
      .array(label)
      .max(8, { error: 'has more than 8 entries' })
      .optional()
      .describe(
        'Further ones of outrigger_requests_total, _request_duration_seconds, _request_bytes_total, _response_bytes_total',
      ),
    omitLabels: z
      .array(z.enum(['route', 'protocol', 'grpcStatus', 'flags']))
      .optional()
      .describe(
        'Labels that are left empty, so that there are fewer series. Without grpcStatus failed gRPC calls do not show in rules and dashboards',
      ),
    omit: z
      .array(z.enum(['duration', 'requestBytes', 'responseBytes']))
      .optional()
      .describe('Metrics that there are not. Without duration dashboards, top and edges have no latency'),
  })
  .check(({ value: written, issues }) => {
    const add = (path: PropertyKey[], message: string): number =>
      issues.push({ code: 'custom', continue: true, input: written, path, message });
    if (Object.keys(written).length === 0) add([], 'says nothing; give labels, omitLabels or omit');
    const names = (written.labels ?? []).map(nameOf);
    for (const [at, name] of names.entries())
      if (name !== '' && names.indexOf(name) < at) add(['labels', at], `${name} is the name of another label too`);
    for (const field of ['omitLabels', 'omit'] as const) {
      const list: readonly string[] = written[field] ?? [];
      for (const [at, each] of list.entries()) if (list.indexOf(each) < at) add([field, at], 'stands there twice');
    }
  });

function nameOf({ name, from }: z.output<typeof label>): string {
  return name ?? (from === undefined ? '' : defaultNames[from]);
}

export function metricSettings({ labels, omitLabels, omit }: z.output<typeof metrics>): MetricSettings {
  return {
    labels: (labels ?? []).map((each) => ({
      name: nameOf(each),
      from: each.from ?? { header: each.header!.toLowerCase(), values: each.values! },
    })),
    omitLabels: omitLabels ?? [],
    omit: omit ?? [],
  };
}
