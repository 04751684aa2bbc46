/** Our own HTTP filter that says which labels metrics of requests have → RequestMetricsConfig. It is no gate: it is looked for among the filters, and taken out. */
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import type {
  OmittedLabel,
  OmittedMetric,
  RequestAttribute,
  RequestLabelConfig,
  RequestMetricsConfig,
} from '../config/request-metrics-config.ts';
import type { HttpFilter } from './api/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import {
  type RequestMetrics,
  RequestMetrics_Attribute,
  type RequestMetrics_Header,
  type RequestMetrics_Label,
} from './api/outrigger/observe/v1/request_metrics_pb.js';
import { apiRegistry } from './api-registry.ts';
import { at, type Faults } from './fault.ts';

export const requestMetricsType = 'outrigger.observe.v1.RequestMetrics';

const mostLabels = 8;
const mostValues = 32;
const mostValueLength = 64;
/** Labels of all request metrics, and those that Prometheus gives itself. */
const taken: ReadonlySet<string> = new Set(
  'direction source destination route protocol code grpc_status flags reason le quantile instance job'.split(' '),
);
const omittableLabels: readonly OmittedLabel[] = ['route', 'protocol', 'grpc_status', 'flags'];
const omittableMetrics: readonly OmittedMetric[] = [
  'outrigger_request_duration_seconds',
  'outrigger_request_bytes_total',
  'outrigger_response_bytes_total',
];
const attributes: Readonly<Record<number, RequestAttribute>> = {
  [RequestMetrics_Attribute.METHOD]: 'method',
  [RequestMetrics_Attribute.RESPONSE_CLASS]: 'response-class',
  [RequestMetrics_Attribute.DESTINATION_SUBSET]: 'destination-subset',
  [RequestMetrics_Attribute.DESTINATION_ZONE]: 'destination-zone',
};

/** Null: there is no such filter. `path`: of `http_filters`. */
export function requestMetrics(
  filters: readonly HttpFilter[],
  path: string,
  faults: Faults,
): RequestMetricsConfig | null {
  let found: RequestMetricsConfig | null = null;
  for (const [i, { configType }] of filters.entries()) {
    if (configType.case !== 'typedConfig' || !configType.value.typeUrl.endsWith(`/${requestMetricsType}`)) continue;
    const here = at(path, i);
    if (found !== null) faults.add(here, `${requestMetricsType} stands there twice`);
    // Bytes that are none were told of by check-fields.ts.
    const message = anyUnpack(configType.value, apiRegistry) as RequestMetrics | undefined;
    if (message !== undefined) found = decode(message, at(here, 'typed_config'), faults);
  }
  return found;
}

function decode(message: RequestMetrics, path: string, faults: Faults): RequestMetricsConfig {
  const { labels, omittedLabels, omittedMetrics } = message;
  if (labels.length > mostLabels)
    faults.add(at(path, 'labels'), `has ${labels.length} entries; ${mostLabels} is the limit`);
  const names = new Set<string>();
  return Object.freeze({
    labels: Object.freeze(
      labels.flatMap((label, i) => requestLabel(label, names, at(at(path, 'labels'), i), faults) ?? []),
    ),
    omittedLabels: chosen(omittedLabels, omittableLabels, at(path, 'omitted_labels'), faults),
    omittedMetrics: chosen(omittedMetrics, omittableMetrics, at(path, 'omitted_metrics'), faults),
  });
}

/** Null only beside a fault. */
function requestLabel(
  { name, from }: RequestMetrics_Label,
  names: Set<string>,
  path: string,
  faults: Faults,
): RequestLabelConfig | null {
  const namePath = at(path, 'name');
  if (!/^[a-zA-Z_][a-zA-Z0-9_]{0,63}$/.test(name) || name.startsWith('__'))
    faults.add(namePath, `${JSON.stringify(name)} is not the name of a label`);
  else if (taken.has(name)) faults.add(namePath, `${name} is a label of these metrics already`);
  else if (names.has(name)) faults.add(namePath, `${name} stands there twice`);
  names.add(name);
  switch (from.case) {
    case 'attribute': {
      const attribute = attributes[from.value];
      if (attribute !== undefined)
        return Object.freeze({ name, from: Object.freeze({ kind: 'attribute', attribute }) });
      faults.add(at(path, 'attribute'), 'must be METHOD, RESPONSE_CLASS, DESTINATION_SUBSET or DESTINATION_ZONE');
      return null;
    }
    case 'header':
      return Object.freeze({ name, from: header(from.value, at(path, 'header'), faults) });
    default:
      faults.add(path, 'needs attribute or header');
      return null;
  }
}

function header({ name, values }: RequestMetrics_Header, path: string, faults: Faults): RequestLabelConfig['from'] {
  if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name))
    faults.add(at(path, 'name'), `${JSON.stringify(name)} is not a header name`);
  const here = at(path, 'values');
  if (values.length === 0) faults.add(here, 'is empty: a header has no label but for values that are known');
  if (values.length > mostValues) faults.add(here, `has ${values.length} entries; ${mostValues} is the limit`);
  for (const [i, value] of values.entries()) {
    if (value === '' || value.length > mostValueLength)
      faults.add(at(here, i), `must have 1 to ${mostValueLength} characters`);
    if (values.indexOf(value) < i) faults.add(at(here, i), 'stands there twice');
  }
  return Object.freeze({ kind: 'header', header: name.toLowerCase(), values: Object.freeze([...values]) });
}

function chosen<T extends string>(
  written: readonly string[],
  known: readonly T[],
  path: string,
  faults: Faults,
): readonly T[] {
  for (const [i, each] of written.entries()) {
    if (!(known as readonly string[]).includes(each))
      faults.add(at(path, i), `${JSON.stringify(each)} is none of ${known.join(', ')}`);
    if (written.indexOf(each) < i) faults.add(at(path, i), 'stands there twice');
  }
  return Object.freeze(known.filter((each) => written.includes(each)));
}
