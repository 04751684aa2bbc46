/** Resources as YAML, from the bytes, so that golden files show what is sent. Test data only. */

import { createRegistry, type DescMessage, fromBinary, type JsonValue, toJson } from '@bufbuild/protobuf';
import { stringify } from 'yaml';
import { ClusterSchema } from '../../proto/generated/envoy/config/cluster/v3/cluster_pb.js';
import { ClusterLoadAssignmentSchema } from '../../proto/generated/envoy/config/endpoint/v3/endpoint_pb.js';
import { ListenerSchema } from '../../proto/generated/envoy/config/listener/v3/listener_pb.js';
import { RouteConfigurationSchema } from '../../proto/generated/envoy/config/route/v3/route_pb.js';
import { OpenTelemetryConfigSchema } from '../../proto/generated/envoy/config/trace/v3/opentelemetry_pb.js';
import { ZipkinConfigSchema } from '../../proto/generated/envoy/config/trace/v3/zipkin_pb.js';
import { FileAccessLogSchema } from '../../proto/generated/envoy/extensions/access_loggers/file/v3/file_pb.js';
import { ExpressionFilterSchema } from '../../proto/generated/envoy/extensions/access_loggers/filters/cel/v3/cel_pb.js';
import {
  HttpGrpcAccessLogConfigSchema,
  TcpGrpcAccessLogConfigSchema,
} from '../../proto/generated/envoy/extensions/access_loggers/grpc/v3/als_pb.js';
import { OpenTelemetryAccessLogConfigSchema } from '../../proto/generated/envoy/extensions/access_loggers/open_telemetry/v3/logs_service_pb.js';
import {
  StderrAccessLogSchema,
  StdoutAccessLogSchema,
} from '../../proto/generated/envoy/extensions/access_loggers/stream/v3/stream_pb.js';
import { AdaptiveConcurrencySchema } from '../../proto/generated/envoy/extensions/filters/http/adaptive_concurrency/v3/adaptive_concurrency_pb.js';
import { ExtAuthzSchema } from '../../proto/generated/envoy/extensions/filters/http/ext_authz/v3/ext_authz_pb.js';
import { HTTPFaultSchema } from '../../proto/generated/envoy/extensions/filters/http/fault/v3/fault_pb.js';
import { JwtAuthenticationSchema } from '../../proto/generated/envoy/extensions/filters/http/jwt_authn/v3/config_pb.js';
import { LocalRateLimitSchema } from '../../proto/generated/envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit_pb.js';
import { RateLimitSchema } from '../../proto/generated/envoy/extensions/filters/http/ratelimit/v3/rate_limit_pb.js';
import { RBACSchema } from '../../proto/generated/envoy/extensions/filters/http/rbac/v3/rbac_pb.js';
import { RouterSchema } from '../../proto/generated/envoy/extensions/filters/http/router/v3/router_pb.js';
import { HttpInspectorSchema } from '../../proto/generated/envoy/extensions/filters/listener/http_inspector/v3/http_inspector_pb.js';
import { OriginalDstSchema } from '../../proto/generated/envoy/extensions/filters/listener/original_dst/v3/original_dst_pb.js';
import { OriginalSrcSchema } from '../../proto/generated/envoy/extensions/filters/listener/original_src/v3/original_src_pb.js';
import { TlsInspectorSchema } from '../../proto/generated/envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector_pb.js';
import { HttpConnectionManagerSchema } from '../../proto/generated/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { RBACSchema as NetworkRbacSchema } from '../../proto/generated/envoy/extensions/filters/network/rbac/v3/rbac_pb.js';
import { TcpProxySchema } from '../../proto/generated/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.js';
import { DnsFilterConfigSchema } from '../../proto/generated/envoy/extensions/filters/udp/dns_filter/v3/dns_filter_pb.js';
import { UriSanInputSchema } from '../../proto/generated/envoy/extensions/matching/common_inputs/ssl/v3/ssl_inputs_pb.js';
import { PreviousHostsPredicateSchema } from '../../proto/generated/envoy/extensions/retry/host/previous_hosts/v3/previous_hosts_pb.js';
import { StaticConfigResourceDetectorConfigSchema } from '../../proto/generated/envoy/extensions/tracers/opentelemetry/resource_detectors/v3/static_config_resource_detector_pb.js';
import { RawBufferSchema } from '../../proto/generated/envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer_pb.js';
import {
  DownstreamTlsContextSchema,
  UpstreamTlsContextSchema,
} from '../../proto/generated/envoy/extensions/transport_sockets/tls/v3/tls_pb.js';
import { HttpProtocolOptionsSchema } from '../../proto/generated/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.js';
import { RequestMetricsSchema } from '../../proto/generated/outrigger/observe/v1/request_metrics_pb.js';
import { MeshTracingSchema } from '../../proto/generated/outrigger/observe/v1/tracing_pb.js';
import { CircuitBreakerSchema } from '../../proto/generated/outrigger/resilience/v1/circuit_breaker_pb.js';
import { FallbackSchema } from '../../proto/generated/outrigger/resilience/v1/fallback_pb.js';
import { HedgingSchema } from '../../proto/generated/outrigger/resilience/v1/hedging_pb.js';
import { InboundLimitsSchema } from '../../proto/generated/outrigger/resilience/v1/inbound_limits_pb.js';
import type { EncodedResource } from './encoded-resource.ts';
import type { ProxyResources } from './translate.ts';

const registry = createRegistry(
  StderrAccessLogSchema,
  StdoutAccessLogSchema,
  FileAccessLogSchema,
  ExpressionFilterSchema,
  HttpGrpcAccessLogConfigSchema,
  TcpGrpcAccessLogConfigSchema,
  OpenTelemetryAccessLogConfigSchema,
  OpenTelemetryConfigSchema,
  ZipkinConfigSchema,
  StaticConfigResourceDetectorConfigSchema,
  MeshTracingSchema,
  RequestMetricsSchema,
  CircuitBreakerSchema,
  AdaptiveConcurrencySchema,
  InboundLimitsSchema,
  ExtAuthzSchema,
  JwtAuthenticationSchema,
  RBACSchema,
  HTTPFaultSchema,
  LocalRateLimitSchema,
  RateLimitSchema,
  UriSanInputSchema,
  PreviousHostsPredicateSchema,
  RouterSchema,
  TlsInspectorSchema,
  HttpInspectorSchema,
  OriginalDstSchema,
  OriginalSrcSchema,
  NetworkRbacSchema,
  TcpProxySchema,
  DnsFilterConfigSchema,
  HttpConnectionManagerSchema,
  RawBufferSchema,
  DownstreamTlsContextSchema,
  UpstreamTlsContextSchema,
  HttpProtocolOptionsSchema,
  FallbackSchema,
  HedgingSchema,
);

export const resourceSchemas: Readonly<Record<keyof ProxyResources, DescMessage>> = {
  listeners: ListenerSchema,
  routes: RouteConfigurationSchema,
  clusters: ClusterSchema,
  endpoints: ClusterLoadAssignmentSchema,
};

export function asYaml(resources: ProxyResources): string {
  const shown = Object.fromEntries(
    (Object.keys(resourceSchemas) as Array<keyof ProxyResources>).map((type) => [
      type,
      [...resources[type].values()].map((resource) => asJson(type, resource)),
    ]),
  );
  return stringify(shown, { lineWidth: 0, aliasDuplicateObjects: false });
}

export function asJson(type: keyof ProxyResources, { bytes }: EncodedResource): JsonValue {
  return toJson(resourceSchemas[type], fromBinary(resourceSchemas[type], bytes), { registry });
}
