/** Where `.proto` files are found: Envoy's, xDS's and Google's in the npm package that ships them, ours beside this file. */
import { join } from 'node:path';

const modules = join(import.meta.dirname, '..', 'node_modules');

export const includePaths: readonly string[] = [
  ...['envoy-api', 'googleapis', 'protoc-gen-validate', 'xds'].map((folder) =>
    join(modules, '@grpc/grpc-js-xds/deps', folder),
  ),
  join(modules, 'grpc-health-check/proto'),
  import.meta.dirname,
];

/** Every file that a program of ours refers to, as imports name them. */
export const entryFiles: readonly string[] = [
  'envoy/config/bootstrap/v3/bootstrap.proto',
  'envoy/service/auth/v3/external_auth.proto',
  'envoy/service/discovery/v3/ads.proto',
  'envoy/service/ratelimit/v3/rls.proto',
  'envoy/service/secret/v3/sds.proto',
  'envoy/service/status/v3/csds.proto',
  'envoy/admin/v3/config_dump.proto',
  'envoy/extensions/access_loggers/file/v3/file.proto',
  'envoy/extensions/access_loggers/stream/v3/stream.proto',
  'envoy/extensions/matching/common_inputs/ssl/v3/ssl_inputs.proto',
  'envoy/service/ratelimit/v3/rls.proto',
  'envoy/extensions/filters/http/admission_control/v3/admission_control.proto',
  'envoy/extensions/filters/http/adaptive_concurrency/v3/adaptive_concurrency.proto',
  'envoy/extensions/filters/http/fault/v3/fault.proto',
  'envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit.proto',
  'envoy/extensions/filters/http/ratelimit/v3/rate_limit.proto',
  'envoy/extensions/filters/http/ext_authz/v3/ext_authz.proto',
  'envoy/extensions/filters/http/fault/v3/fault.proto',
  'envoy/extensions/filters/http/jwt_authn/v3/config.proto',
  'envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit.proto',
  'envoy/extensions/filters/http/ratelimit/v3/rate_limit.proto',
  'envoy/extensions/filters/http/rbac/v3/rbac.proto',
  'envoy/extensions/filters/http/router/v3/router.proto',
  'envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.proto',
  'envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector.proto',
  'envoy/extensions/load_balancing_policies/least_request/v3/least_request.proto',
  'envoy/extensions/load_balancing_policies/random/v3/random.proto',
  'envoy/extensions/load_balancing_policies/round_robin/v3/round_robin.proto',
  'envoy/extensions/matching/common_inputs/ssl/v3/ssl_inputs.proto',
  'envoy/extensions/retry/host/omit_canary_hosts/v3/omit_canary_hosts.proto',
  'envoy/extensions/retry/host/previous_hosts/v3/previous_hosts.proto',
  'envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer.proto',
  'envoy/extensions/transport_sockets/tls/v3/tls.proto',
  'envoy/extensions/transport_sockets/tls/v3/tls_spiffe_validator_config.proto',
  'envoy/extensions/upstreams/http/v3/http_protocol_options.proto',
  'health/v1/health.proto',
  'outrigger/identity/v1/identity.proto',
  'outrigger/load_balancing/v1/peak_ewma.proto',
  'outrigger/registry/v1/registry.proto',
  'outrigger/resilience/v1/circuit_breaker.proto',
  'outrigger/resilience/v1/fallback.proto',
  'outrigger/resilience/v1/hedging.proto',
  'outrigger/resilience/v1/inbound_limits.proto',
  'outrigger/resilience/v1/shedding.proto',
];
