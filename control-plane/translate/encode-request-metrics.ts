/** `metrics` of Telemetry documents → our own HTTP filter, for our own sidecars: Envoy has no such metrics and would refuse it. */
import { create } from '@bufbuild/protobuf';
import type { HttpFilter } from '../../proto/generated/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { HttpFilterSchema } from '../../proto/generated/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import {
  RequestMetrics_Attribute,
  RequestMetricsSchema,
} from '../../proto/generated/outrigger/observe/v1/request_metrics_pb.js';
import type {
  MetricSettings,
  OmittedLabel,
  OmittedMetric,
  RequestAttribute,
} from '../config-kind/telemetry-resource.ts';
import { packAny } from './encoded-resource.ts';
import { KeptByParts } from './kept-by-parts.ts';

const attributeOf: Readonly<Record<RequestAttribute, RequestMetrics_Attribute>> = {
  method: RequestMetrics_Attribute.METHOD,
  responseClass: RequestMetrics_Attribute.RESPONSE_CLASS,
  destinationSubset: RequestMetrics_Attribute.DESTINATION_SUBSET,
  destinationZone: RequestMetrics_Attribute.DESTINATION_ZONE,
};
const labelOf: Readonly<Record<OmittedLabel, string>> = {
  route: 'route',
  protocol: 'protocol',
  grpcStatus: 'grpc_status',
  flags: 'flags',
};
const metricOf: Readonly<Record<OmittedMetric, string>> = {
  duration: 'outrigger_request_duration_seconds',
  requestBytes: 'outrigger_request_bytes_total',
  responseBytes: 'outrigger_response_bytes_total',
};

const kept = new KeptByParts<HttpFilter>();

export function encodeRequestMetrics(settings: MetricSettings): HttpFilter {
  return kept.get([settings], '', () =>
    create(HttpFilterSchema, {
      name: 'outrigger.filters.http.request_metrics',
      configType: {
        case: 'typedConfig',
        value: packAny(
          RequestMetricsSchema,
          create(RequestMetricsSchema, {
            labels: settings.labels.map(({ name, from }) => ({
              name,
              from:
                typeof from === 'string'
                  ? { case: 'attribute' as const, value: attributeOf[from] }
                  : { case: 'header' as const, value: { name: from.header, values: [...from.values] } },
            })),
            omittedLabels: settings.omitLabels.map((each) => labelOf[each]),
            omittedMetrics: settings.omit.map((each) => metricOf[each]),
          }),
        ),
      },
    }),
  );
}
