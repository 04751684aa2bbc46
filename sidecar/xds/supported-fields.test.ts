/** The table of supported fields against the whole of Envoy's API: nothing in it is made up, and nothing outside of it passes in silence. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  create,
  createRegistry,
  type DescField,
  type DescFile,
  type DescMessage,
  fromBinary,
  type Message,
  ScalarType,
  toBinary,
} from '@bufbuild/protobuf';
import { reflect } from '@bufbuild/protobuf/reflect';
import { describe, expect, it } from 'vitest';
import { file_envoy_config_bootstrap_v3_bootstrap } from '../../proto/generated/envoy/config/bootstrap/v3/bootstrap_pb.js';
import { file_envoy_config_trace_v3_opentelemetry } from '../../proto/generated/envoy/config/trace/v3/opentelemetry_pb.js';
import { file_envoy_config_trace_v3_zipkin } from '../../proto/generated/envoy/config/trace/v3/zipkin_pb.js';
import { file_envoy_extensions_access_loggers_file_v3_file } from '../../proto/generated/envoy/extensions/access_loggers/file/v3/file_pb.js';
import { file_envoy_extensions_access_loggers_filters_cel_v3_cel } from '../../proto/generated/envoy/extensions/access_loggers/filters/cel/v3/cel_pb.js';
import { file_envoy_extensions_access_loggers_open_telemetry_v3_logs_service } from '../../proto/generated/envoy/extensions/access_loggers/open_telemetry/v3/logs_service_pb.js';
import { file_envoy_extensions_access_loggers_stream_v3_stream } from '../../proto/generated/envoy/extensions/access_loggers/stream/v3/stream_pb.js';
import { file_envoy_extensions_filters_http_adaptive_concurrency_v3_adaptive_concurrency } from '../../proto/generated/envoy/extensions/filters/http/adaptive_concurrency/v3/adaptive_concurrency_pb.js';
import { file_envoy_extensions_filters_http_admission_control_v3_admission_control } from '../../proto/generated/envoy/extensions/filters/http/admission_control/v3/admission_control_pb.js';
import { file_envoy_extensions_filters_http_ext_authz_v3_ext_authz } from '../../proto/generated/envoy/extensions/filters/http/ext_authz/v3/ext_authz_pb.js';
import { file_envoy_extensions_filters_http_fault_v3_fault } from '../../proto/generated/envoy/extensions/filters/http/fault/v3/fault_pb.js';
import { file_envoy_extensions_filters_http_jwt_authn_v3_config } from '../../proto/generated/envoy/extensions/filters/http/jwt_authn/v3/config_pb.js';
import { file_envoy_extensions_filters_http_local_ratelimit_v3_local_rate_limit } from '../../proto/generated/envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit_pb.js';
import { file_envoy_extensions_filters_http_ratelimit_v3_rate_limit } from '../../proto/generated/envoy/extensions/filters/http/ratelimit/v3/rate_limit_pb.js';
import { file_envoy_extensions_filters_http_rbac_v3_rbac } from '../../proto/generated/envoy/extensions/filters/http/rbac/v3/rbac_pb.js';
import { file_envoy_extensions_filters_http_router_v3_router } from '../../proto/generated/envoy/extensions/filters/http/router/v3/router_pb.js';
import { file_envoy_extensions_filters_listener_http_inspector_v3_http_inspector } from '../../proto/generated/envoy/extensions/filters/listener/http_inspector/v3/http_inspector_pb.js';
import { file_envoy_extensions_filters_listener_original_dst_v3_original_dst } from '../../proto/generated/envoy/extensions/filters/listener/original_dst/v3/original_dst_pb.js';
import { file_envoy_extensions_filters_listener_original_src_v3_original_src } from '../../proto/generated/envoy/extensions/filters/listener/original_src/v3/original_src_pb.js';
import { file_envoy_extensions_filters_listener_tls_inspector_v3_tls_inspector } from '../../proto/generated/envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector_pb.js';
import { file_envoy_extensions_filters_network_http_connection_manager_v3_http_connection_manager } from '../../proto/generated/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { file_envoy_extensions_filters_network_rbac_v3_rbac } from '../../proto/generated/envoy/extensions/filters/network/rbac/v3/rbac_pb.js';
import { file_envoy_extensions_filters_network_tcp_proxy_v3_tcp_proxy } from '../../proto/generated/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.js';
import { file_envoy_extensions_filters_udp_dns_filter_v3_dns_filter } from '../../proto/generated/envoy/extensions/filters/udp/dns_filter/v3/dns_filter_pb.js';
import { file_envoy_extensions_load_balancing_policies_least_request_v3_least_request } from '../../proto/generated/envoy/extensions/load_balancing_policies/least_request/v3/least_request_pb.js';
import { file_envoy_extensions_load_balancing_policies_random_v3_random } from '../../proto/generated/envoy/extensions/load_balancing_policies/random/v3/random_pb.js';
import { file_envoy_extensions_load_balancing_policies_round_robin_v3_round_robin } from '../../proto/generated/envoy/extensions/load_balancing_policies/round_robin/v3/round_robin_pb.js';
import { file_envoy_extensions_matching_common_inputs_ssl_v3_ssl_inputs } from '../../proto/generated/envoy/extensions/matching/common_inputs/ssl/v3/ssl_inputs_pb.js';
import { file_envoy_extensions_retry_host_omit_canary_hosts_v3_omit_canary_hosts } from '../../proto/generated/envoy/extensions/retry/host/omit_canary_hosts/v3/omit_canary_hosts_pb.js';
import { file_envoy_extensions_retry_host_previous_hosts_v3_previous_hosts } from '../../proto/generated/envoy/extensions/retry/host/previous_hosts/v3/previous_hosts_pb.js';
import { file_envoy_extensions_tracers_opentelemetry_resource_detectors_v3_static_config_resource_detector } from '../../proto/generated/envoy/extensions/tracers/opentelemetry/resource_detectors/v3/static_config_resource_detector_pb.js';
import { file_envoy_extensions_transport_sockets_raw_buffer_v3_raw_buffer } from '../../proto/generated/envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer_pb.js';
import { file_envoy_extensions_transport_sockets_tls_v3_tls } from '../../proto/generated/envoy/extensions/transport_sockets/tls/v3/tls_pb.js';
import { file_envoy_extensions_transport_sockets_tls_v3_tls_spiffe_validator_config } from '../../proto/generated/envoy/extensions/transport_sockets/tls/v3/tls_spiffe_validator_config_pb.js';
import { file_envoy_extensions_upstreams_http_v3_http_protocol_options } from '../../proto/generated/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.js';
import { file_outrigger_load_balancing_v1_peak_ewma } from '../../proto/generated/outrigger/load_balancing/v1/peak_ewma_pb.js';
import { file_outrigger_observe_v1_request_metrics } from '../../proto/generated/outrigger/observe/v1/request_metrics_pb.js';
import { file_outrigger_observe_v1_tracing } from '../../proto/generated/outrigger/observe/v1/tracing_pb.js';
import { file_outrigger_resilience_v1_circuit_breaker } from '../../proto/generated/outrigger/resilience/v1/circuit_breaker_pb.js';
import { file_outrigger_resilience_v1_fallback } from '../../proto/generated/outrigger/resilience/v1/fallback_pb.js';
import { file_outrigger_resilience_v1_hedging } from '../../proto/generated/outrigger/resilience/v1/hedging_pb.js';
import { file_outrigger_resilience_v1_inbound_limits } from '../../proto/generated/outrigger/resilience/v1/inbound_limits_pb.js';
import { file_outrigger_resilience_v1_shedding } from '../../proto/generated/outrigger/resilience/v1/shedding_pb.js';
import { apiRegistry } from './api-registry.ts';
import { checkFields } from './check-fields.ts';
import { Faults } from './fault.ts';
import { supportText } from './support-text.ts';
import { supportedFields } from './supported-fields.ts';

const whole = new Map<string, DescMessage>();
collect(file_envoy_config_bootstrap_v3_bootstrap);
collect(file_envoy_config_trace_v3_opentelemetry);
collect(file_envoy_config_trace_v3_zipkin);
collect(file_envoy_extensions_tracers_opentelemetry_resource_detectors_v3_static_config_resource_detector);
collect(file_outrigger_observe_v1_tracing);
collect(file_outrigger_observe_v1_request_metrics);
collect(file_envoy_extensions_access_loggers_file_v3_file);
collect(file_envoy_extensions_access_loggers_filters_cel_v3_cel);
collect(file_envoy_extensions_access_loggers_open_telemetry_v3_logs_service);
collect(file_envoy_extensions_access_loggers_stream_v3_stream);
collect(file_envoy_extensions_filters_http_ext_authz_v3_ext_authz);
collect(file_envoy_extensions_filters_http_adaptive_concurrency_v3_adaptive_concurrency);
collect(file_envoy_extensions_filters_http_admission_control_v3_admission_control);
collect(file_envoy_extensions_filters_http_fault_v3_fault);
collect(file_envoy_extensions_filters_http_local_ratelimit_v3_local_rate_limit);
collect(file_envoy_extensions_filters_http_ratelimit_v3_rate_limit);
collect(file_envoy_extensions_filters_http_jwt_authn_v3_config);
collect(file_envoy_extensions_filters_http_rbac_v3_rbac);
collect(file_envoy_extensions_filters_http_router_v3_router);
collect(file_envoy_extensions_filters_listener_http_inspector_v3_http_inspector);
collect(file_envoy_extensions_filters_listener_original_dst_v3_original_dst);
collect(file_envoy_extensions_filters_listener_original_src_v3_original_src);
collect(file_envoy_extensions_filters_udp_dns_filter_v3_dns_filter);
collect(file_envoy_extensions_filters_network_rbac_v3_rbac);
collect(file_envoy_extensions_filters_network_tcp_proxy_v3_tcp_proxy);
collect(file_envoy_extensions_filters_listener_tls_inspector_v3_tls_inspector);
collect(file_envoy_extensions_filters_network_http_connection_manager_v3_http_connection_manager);
collect(file_envoy_extensions_retry_host_omit_canary_hosts_v3_omit_canary_hosts);
collect(file_envoy_extensions_retry_host_previous_hosts_v3_previous_hosts);
collect(file_envoy_extensions_load_balancing_policies_least_request_v3_least_request);
collect(file_envoy_extensions_load_balancing_policies_random_v3_random);
collect(file_envoy_extensions_load_balancing_policies_round_robin_v3_round_robin);
collect(file_outrigger_load_balancing_v1_peak_ewma);
collect(file_envoy_extensions_matching_common_inputs_ssl_v3_ssl_inputs);
collect(file_envoy_extensions_transport_sockets_raw_buffer_v3_raw_buffer);
collect(file_envoy_extensions_transport_sockets_tls_v3_tls);
collect(file_envoy_extensions_transport_sockets_tls_v3_tls_spiffe_validator_config);
collect(file_outrigger_resilience_v1_circuit_breaker);
collect(file_outrigger_resilience_v1_fallback);
collect(file_outrigger_resilience_v1_hedging);
collect(file_outrigger_resilience_v1_inbound_limits);
collect(file_outrigger_resilience_v1_shedding);
collect(file_envoy_extensions_upstreams_http_v3_http_protocol_options);

function collect(file: DescFile): void {
  for (const each of createRegistry(file)) if (each.kind === 'message') whole.set(each.typeName, each);
  for (const dependency of file.dependencies) collect(dependency);
}

/** The sidecar's own, cut-down form of a message. */
const taken = new Map<string, DescMessage>();
for (const each of apiRegistry) if (each.kind === 'message') follow(each);

function follow(schema: DescMessage): void {
  if (taken.has(schema.typeName)) return;
  taken.set(schema.typeName, schema);
  for (const field of schema.fields) if (field.message !== undefined) follow(field.message);
}

/** The message with that field set, to as little as can be told from unset; a singular message is set to an empty one. */
function withField(schema: DescMessage, field: DescField): Message {
  const message = create(schema);
  const view = reflect(schema, message);
  if (field.fieldKind === 'scalar') view.set(field, scalar(field.scalar));
  else if (field.fieldKind === 'enum')
    view.set(field, field.enum.values.find(({ number }) => number !== 0)?.number ?? 1);
  else if (field.fieldKind === 'message') view.set(field, reflect(field.message));
  else if (field.fieldKind === 'list') {
    const value =
      field.listKind === 'scalar' ? scalar(field.scalar) : field.listKind === 'enum' ? 1 : reflect(field.message);
    view.get(field).add(value as never);
  } else {
    const value =
      field.mapKind === 'scalar' ? scalar(field.scalar) : field.mapKind === 'enum' ? 1 : reflect(field.message);
    view.get(field).set('key', value as never);
  }
  return message;
}

function scalar(type: ScalarType): unknown {
  if (type === ScalarType.STRING) return 'x';
  if (type === ScalarType.BOOL) return true;
  if (type === ScalarType.BYTES) return new Uint8Array([1]);
  return type === ScalarType.INT64 || type === ScalarType.UINT64 ? 1n : 1;
}

const tables = Object.entries(supportedFields);

describe('the table of supported fields', () => {
  it("names messages and fields of Envoy's API only", () => {
    const madeUp = tables.flatMap(([name, fields]) => {
      const schema = whole.get(name);
      if (schema === undefined) return [name];
      return Object.keys(fields).flatMap((field) =>
        schema.fields.some((each) => each.name === field) ? [] : [`${name}.${field}`],
      );
    });
    expect(madeUp).toEqual([]);
  });

  it('gives a reason for every field that is ignored', () => {
    const bare = tables.flatMap(([name, fields]) =>
      Object.entries(fields).flatMap(([field, note]) => (note === 'ignored' ? [`${name}.${field}`] : [])),
    );
    expect(bare).toEqual([]);
  });

  it.each(tables.filter(([name]) => taken.has(name)))(
    'lets no other field of %s pass in silence, and says which it was',
    (name, fields) => {
      const silent: string[] = [];
      for (const field of whole.get(name)!.fields) {
        if (Object.hasOwn(fields, field.name)) continue;
        const bytes = toBinary(whole.get(name)!, withField(whole.get(name)!, field));
        const faults = new Faults();
        checkFields(taken.get(name)!, fromBinary(taken.get(name)!, bytes), 'here', faults);
        const [fault] = faults.list;
        if (
          faults.list.length !== 1 ||
          fault!.path !== `here.${field.name}` ||
          !fault!.message.includes('docs/xds-support.md')
        )
          silent.push(`${field.name}: ${JSON.stringify(faults.list)}`);
      }
      expect(silent).toEqual([]);
    },
  );

  it('is what docs/xds-support.md says (else: node sidecar/xds/print-support.ts > docs/xds-support.md)', () => {
    expect(readFileSync(join(import.meta.dirname, '../../docs/xds-support.md'), 'utf8')).toBe(supportText());
  });
});
