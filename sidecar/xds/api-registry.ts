/** Every message type that may stand in an `Any` of the configuration, and those that carry it. */
import { createRegistry } from '@bufbuild/protobuf';
import { BootstrapSchema } from './api/envoy/config/bootstrap/v3/bootstrap_pb.js';
import { ClusterSchema } from './api/envoy/config/cluster/v3/cluster_pb.js';
import { ClusterLoadAssignmentSchema } from './api/envoy/config/endpoint/v3/endpoint_pb.js';
import { ListenerSchema } from './api/envoy/config/listener/v3/listener_pb.js';
import { RouteConfigurationSchema } from './api/envoy/config/route/v3/route_pb.js';
import { OpenTelemetryConfigSchema } from './api/envoy/config/trace/v3/opentelemetry_pb.js';
import { ZipkinConfigSchema } from './api/envoy/config/trace/v3/zipkin_pb.js';
import { FileAccessLogSchema } from './api/envoy/extensions/access_loggers/file/v3/file_pb.js';
import { ExpressionFilterSchema } from './api/envoy/extensions/access_loggers/filters/cel/v3/cel_pb.js';
import {
  HttpGrpcAccessLogConfigSchema,
  TcpGrpcAccessLogConfigSchema,
} from './api/envoy/extensions/access_loggers/grpc/v3/als_pb.js';
import { OpenTelemetryAccessLogConfigSchema } from './api/envoy/extensions/access_loggers/open_telemetry/v3/logs_service_pb.js';
import {
  StderrAccessLogSchema,
  StdoutAccessLogSchema,
} from './api/envoy/extensions/access_loggers/stream/v3/stream_pb.js';
import { AdaptiveConcurrencySchema } from './api/envoy/extensions/filters/http/adaptive_concurrency/v3/adaptive_concurrency_pb.js';
import { AdmissionControlSchema } from './api/envoy/extensions/filters/http/admission_control/v3/admission_control_pb.js';
import {
  ExtAuthzPerRouteSchema,
  ExtAuthzSchema,
} from './api/envoy/extensions/filters/http/ext_authz/v3/ext_authz_pb.js';
import { HTTPFaultSchema } from './api/envoy/extensions/filters/http/fault/v3/fault_pb.js';
import {
  JwtAuthenticationSchema,
  PerRouteConfigSchema,
} from './api/envoy/extensions/filters/http/jwt_authn/v3/config_pb.js';
import { LocalRateLimitSchema } from './api/envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit_pb.js';
import {
  RateLimitPerRouteSchema,
  RateLimitSchema,
} from './api/envoy/extensions/filters/http/ratelimit/v3/rate_limit_pb.js';
import { RBACPerRouteSchema, RBACSchema } from './api/envoy/extensions/filters/http/rbac/v3/rbac_pb.js';
import { RouterSchema } from './api/envoy/extensions/filters/http/router/v3/router_pb.js';
import { HttpInspectorSchema } from './api/envoy/extensions/filters/listener/http_inspector/v3/http_inspector_pb.js';
import { OriginalDstSchema } from './api/envoy/extensions/filters/listener/original_dst/v3/original_dst_pb.js';
import { OriginalSrcSchema } from './api/envoy/extensions/filters/listener/original_src/v3/original_src_pb.js';
import { TlsInspectorSchema } from './api/envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector_pb.js';
import { HttpConnectionManagerSchema } from './api/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { RBACSchema as NetworkRBACSchema } from './api/envoy/extensions/filters/network/rbac/v3/rbac_pb.js';
import { TcpProxySchema } from './api/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.js';
import { DnsFilterConfigSchema } from './api/envoy/extensions/filters/udp/dns_filter/v3/dns_filter_pb.js';
import { LeastRequestSchema } from './api/envoy/extensions/load_balancing_policies/least_request/v3/least_request_pb.js';
import { RandomSchema } from './api/envoy/extensions/load_balancing_policies/random/v3/random_pb.js';
import { RoundRobinSchema } from './api/envoy/extensions/load_balancing_policies/round_robin/v3/round_robin_pb.js';
import { UriSanInputSchema } from './api/envoy/extensions/matching/common_inputs/ssl/v3/ssl_inputs_pb.js';
import { OmitCanaryHostsPredicateSchema } from './api/envoy/extensions/retry/host/omit_canary_hosts/v3/omit_canary_hosts_pb.js';
import { PreviousHostsPredicateSchema } from './api/envoy/extensions/retry/host/previous_hosts/v3/previous_hosts_pb.js';
import { StaticConfigResourceDetectorConfigSchema } from './api/envoy/extensions/tracers/opentelemetry/resource_detectors/v3/static_config_resource_detector_pb.js';
import { RawBufferSchema } from './api/envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer_pb.js';
import { SecretSchema } from './api/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import {
  DownstreamTlsContextSchema,
  UpstreamTlsContextSchema,
} from './api/envoy/extensions/transport_sockets/tls/v3/tls_pb.js';
import { SPIFFECertValidatorConfigSchema } from './api/envoy/extensions/transport_sockets/tls/v3/tls_spiffe_validator_config_pb.js';
import { HttpProtocolOptionsSchema } from './api/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.js';
import { PeakEwmaSchema } from './api/outrigger/load_balancing/v1/peak_ewma_pb.js';
import { RequestMetricsSchema } from './api/outrigger/observe/v1/request_metrics_pb.js';
import { MeshTracingSchema } from './api/outrigger/observe/v1/tracing_pb.js';
import { CircuitBreakerSchema } from './api/outrigger/resilience/v1/circuit_breaker_pb.js';
import { FallbackSchema } from './api/outrigger/resilience/v1/fallback_pb.js';
import { HedgingSchema } from './api/outrigger/resilience/v1/hedging_pb.js';
import { InboundLimitsSchema } from './api/outrigger/resilience/v1/inbound_limits_pb.js';
import { SheddingPrioritySchema } from './api/outrigger/resilience/v1/shedding_pb.js';

export const apiRegistry = createRegistry(
  BootstrapSchema,
  ClusterSchema,
  ClusterLoadAssignmentSchema,
  ListenerSchema,
  RouteConfigurationSchema,
  FileAccessLogSchema,
  StderrAccessLogSchema,
  StdoutAccessLogSchema,
  HttpGrpcAccessLogConfigSchema,
  TcpGrpcAccessLogConfigSchema,
  OpenTelemetryAccessLogConfigSchema,
  ExpressionFilterSchema,
  ExtAuthzSchema,
  ExtAuthzPerRouteSchema,
  AdaptiveConcurrencySchema,
  AdmissionControlSchema,
  FallbackSchema,
  HedgingSchema,
  SheddingPrioritySchema,
  CircuitBreakerSchema,
  InboundLimitsSchema,
  HTTPFaultSchema,
  LocalRateLimitSchema,
  RateLimitSchema,
  RateLimitPerRouteSchema,
  UriSanInputSchema,
  JwtAuthenticationSchema,
  PerRouteConfigSchema,
  RBACSchema,
  RBACPerRouteSchema,
  RouterSchema,
  TlsInspectorSchema,
  HttpInspectorSchema,
  OriginalDstSchema,
  OriginalSrcSchema,
  DnsFilterConfigSchema,
  NetworkRBACSchema,
  TcpProxySchema,
  HttpConnectionManagerSchema,
  OpenTelemetryConfigSchema,
  ZipkinConfigSchema,
  StaticConfigResourceDetectorConfigSchema,
  MeshTracingSchema,
  RequestMetricsSchema,
  OmitCanaryHostsPredicateSchema,
  PreviousHostsPredicateSchema,
  LeastRequestSchema,
  RandomSchema,
  RoundRobinSchema,
  PeakEwmaSchema,
  RawBufferSchema,
  DownstreamTlsContextSchema,
  UpstreamTlsContextSchema,
  HttpProtocolOptionsSchema,
  SecretSchema,
  SPIFFECertValidatorConfigSchema,
);
