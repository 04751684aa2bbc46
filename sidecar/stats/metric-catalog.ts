/** Every metric that a sidecar shows under a name of ours: what it is, its labels, its unit. Envoy's (`envoy_…`) say nothing of themselves, here as there. docs/metrics.md is printed from it. */
import { metric } from '../../metrics/metric-descriptor.ts';
import type { MetricDescriptor } from '../../metrics/metric-family.ts';
import { scrapesFailedHelp } from '../../metrics/scrape-bounds.ts';

const counter = (name: string, labels: string, help: string): MetricDescriptor => metric('counter', name, labels, help);
const gauge = (name: string, labels: string, help: string): MetricDescriptor => metric('gauge', name, labels, help);
const histogram = (name: string, labels: string, help: string): MetricDescriptor =>
  metric('histogram', name, labels, help);

const scope = 'direction source destination route';
const request = `${scope} protocol code grpc_status flags`;
const tcp = 'direction source destination server_name';

export const sidecarMetrics: readonly MetricDescriptor[] = [
  counter('outrigger_requests_total', request, 'Requests that ended, by what was answered.'),
  histogram(
    'outrigger_request_duration_seconds',
    request,
    "From a request's head to the end of its answer, as its caller saw it.",
  ),
  counter('outrigger_request_bytes_total', request, 'Bytes of request bodies from callers.'),
  counter('outrigger_response_bytes_total', request, 'Bytes of response bodies to callers.'),
  counter('outrigger_retries_total', `${scope} reason`, 'Requests that were sent again, or hedged, and why.'),
  counter(
    'outrigger_metric_label_overflow_total',
    'label',
    'Times that a label of metrics said `overflow`, as there were as many values as may be: of `source`, per connection; of `code` (which stands for protocol, code, grpc_status and flags of one route) and of `route` (all labels), per request.',
  ),
  counter('outrigger_fallbacks_total', 'cluster kind', 'Failures in whose place something else was answered.'),
  counter(
    'outrigger_retry_budget_exhausted_total',
    'cluster',
    'Requests that were not sent again, as the budget of retries was spent.',
  ),
  counter('outrigger_requests_shed_total', 'priority', 'Requests that were refused so that others are served in time.'),
  gauge('outrigger_upstream_connections', 'cluster', 'Connections to hosts that are open or being opened.'),
  counter('outrigger_upstream_connections_opened_total', 'cluster', 'Connections to hosts that were begun.'),
  counter('outrigger_upstream_connections_closed_total', 'cluster', 'Connections to hosts that ended.'),
  counter(
    'outrigger_upstream_connections_failed_total',
    'cluster reason',
    'Connections to hosts that were not made: refused or cut (`connect`), or not in time (`timeout`).',
  ),
  gauge('outrigger_bulkhead_in_use', 'cluster limit', 'What is taken of a limit of a cluster.'),
  gauge(
    'outrigger_bulkhead_limit',
    'cluster limit scope name',
    'How much of it there may be: of a cluster (`cluster`, `limit`), or of requests inbound (`scope`, `name`).',
  ),
  gauge('outrigger_bulkhead_full', 'cluster limit', '1: the limit of a cluster is reached.'),
  gauge('outrigger_bulkhead_requests', 'scope name', 'Inbound requests under way.'),
  gauge('outrigger_bulkhead_waiting', 'scope name', 'Inbound requests that wait for their turn.'),
  gauge('outrigger_bulkhead_overloaded', '', '1: the newest of waiting requests are served first.'),
  counter('outrigger_bulkhead_refused_total', 'scope name reason', 'Inbound requests for which there was no room.'),
  histogram('outrigger_bulkhead_queue_wait_seconds', '', 'How long inbound requests waited that were served.'),
  gauge('outrigger_circuit_breaker_state', 'scope name', '0: closed. 1: half open. 2: open.'),
  gauge('outrigger_circuit_breaker_forced', 'scope name', '1: held by an operator.'),
  counter('outrigger_circuit_breaker_calls_total', 'scope name', 'Calls that a circuit breaker judged.'),
  counter('outrigger_circuit_breaker_failures_total', 'scope name', 'Those of them that failed.'),
  counter('outrigger_circuit_breaker_slow_calls_total', 'scope name', 'Those of them that were slow.'),
  counter('outrigger_circuit_breaker_refused_total', 'scope name', 'Calls that an open circuit breaker refused.'),
  counter('outrigger_circuit_breaker_transitions_total', 'scope name to', 'Times that it changed to this state.'),
  counter('outrigger_outlier_ejections_total', 'cluster kind', 'Hosts that were taken out for what they did.'),
  gauge('outrigger_outlier_ejections_active', 'cluster', 'Hosts that are taken out now.'),
  counter(
    'outrigger_outlier_ejections_refused_total',
    'cluster',
    'Hosts that should have been taken out, and stayed, as too many were out.',
  ),
  counter('outrigger_outlier_ejections_returns_total', 'cluster', 'Hosts that came back.'),
  counter('outrigger_authorization_total', 'direction result policy', 'Decisions of authorization policies.'),
  counter('outrigger_inbound_connections_total', 'security', 'Inbound connections: mutual_tls, tls or plaintext.'),
  counter(
    'outrigger_tls_peers_refused_total',
    'side listener cluster reason',
    'Peers whose certificate was not taken: of a listener (downstream), or of a cluster (upstream).',
  ),
  counter('outrigger_tcp_connections_opened_total', tcp, 'TCP connections that began.'),
  counter('outrigger_tcp_connections_closed_total', `${tcp} flags`, 'TCP connections that ended.'),
  counter('outrigger_tcp_received_bytes_total', tcp, 'Bytes from clients of TCP connections.'),
  counter('outrigger_tcp_sent_bytes_total', tcp, 'Bytes to clients of TCP connections.'),
  counter('outrigger_interception_loops_total', 'listener', 'Connections that led back to this sidecar, and were cut.'),
  counter(
    'outrigger_forged_destinations_total',
    'listener',
    'Connections from elsewhere that claimed to be going to loopback, and were cut.',
  ),
  counter('outrigger_dns_answers_total', 'by code transport', 'Answers to questions for names.'),
  counter('outrigger_dns_server_failures_total', 'reason', 'Questions that a name server did not answer.'),
  counter('outrigger_dns_foreign_answers_total', 'listener', 'Answers that nobody had asked for.'),
  counter('outrigger_dns_overflow_total', 'listener', 'Questions that were dropped, as too many were under way.'),
  gauge('outrigger_dns_pending', 'listener', 'Questions that wait for a name server.'),
  gauge('outrigger_dns_connections', 'listener', 'TCP connections for questions.'),
  gauge(
    'outrigger_certificate_expiry_seconds',
    'name kind source',
    'Until a certificate in use ends, negative when it has; of trusted roots, until the last of them does.',
  ),
  counter('outrigger_identity_renewals_total', 'result', "Attempts to have this sidecar's own certificate signed."),
  counter('outrigger_tracing_spans_sent_total', 'exporter collector', 'Spans that a collector took.'),
  counter(
    'outrigger_tracing_spans_dropped_total',
    'exporter collector reason',
    'Spans that no collector got: the queue was full, or they were not taken.',
  ),
  counter(
    'outrigger_tracing_export_failures_total',
    'exporter collector reason',
    'Batches of spans that could not be handed over.',
  ),
  counter(
    'outrigger_access_log_entries_lost_total',
    'sink',
    'Access log lines and entries that nobody got: of files and standard streams (`file`), of an access log service (`als`), of OpenTelemetry (`otlp`).',
  ),
  counter('outrigger_scrapes_failed_total', 'reason', scrapesFailedHelp),
  gauge('outrigger_xds_connected', '', '1: the control plane answers on a stream.'),
  counter('outrigger_xds_connect_attempts_total', '', 'Streams to the control plane that were opened.'),
  counter(
    'outrigger_xds_updates_total',
    'type result',
    'Updates from the control plane, `accepted` (ACK) or `rejected` (NACK).',
  ),
  gauge('outrigger_xds_resources', 'type', 'Resources from the control plane that are held.'),
  gauge(
    'outrigger_xds_last_update_timestamp_seconds',
    'type',
    'When an update of this type was last accepted, since 1970.',
  ),
];
