/** `node deploy/grafana/print-dashboards.ts`: writes the dashboards (`*.json`) from what this file says of them. Grafana imports them as they are; the data source is asked for. */
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** An expression, and what a line of it is called. */
type Query = readonly [expression: string, legend: string];

interface Panel {
  readonly title: string;
  /** Grafana's unit. */
  readonly unit: 'reqps' | 'percentunit' | 's' | 'short' | 'bytes' | 'Bps' | 'ops';
  readonly kind?: 'timeseries' | 'stat' | 'table';
  readonly queries: readonly Query[];
}

interface Variable {
  readonly name: string;
  readonly label: string;
  readonly metric: string;
  readonly of: string;
}

interface Dashboard {
  readonly file: string;
  readonly title: string;
  readonly variables: readonly Variable[];
  readonly panels: readonly Panel[];
}

const failed = (by: string, more: string): string =>
  `sum by (${by}) (rate(outrigger_requests_total{code=~"5..",${more}}[$__rate_interval]) or rate(outrigger_requests_total{code!~"5..",grpc_status=~"2|4|12|13|14|15",${more}}[$__rate_interval]))`;
const requests = (by: string, more: string): string =>
  `sum by (${by}) (rate(outrigger_requests_total{${more}}[$__rate_interval]))`;
const latency = (quantile: string, by: string, more: string): string =>
  `histogram_quantile(${quantile}, sum by (${by === '' ? 'le' : `${by}, le`}) (rate(outrigger_request_duration_seconds_bucket{${more}}[$__rate_interval])))`;

const out = 'direction="outbound"';
const ofService = 'direction="inbound",destination="$service"';
const toService = 'direction="outbound",destination="$service"';
const here = 'instance=~"$instance"';
const instance: Variable = { name: 'instance', label: 'Sidecar', metric: 'outrigger_xds_connected', of: 'instance' };

const processPanels: readonly Panel[] = [
  {
    title: 'CPU',
    unit: 'percentunit',
    queries: [[`rate(process_cpu_seconds_total{${here}}[$__rate_interval])`, '{{instance}}']],
  },
  {
    title: 'Memory',
    unit: 'bytes',
    queries: [
      [`process_resident_memory_bytes{${here}}`, 'resident {{instance}}'],
      [`nodejs_heap_size_used_bytes{${here}}`, 'heap {{instance}}'],
    ],
  },
  {
    title: 'Event loop, 99th percentile of a turn',
    unit: 's',
    queries: [[`nodejs_eventloop_lag_p99_seconds{${here}}`, '{{instance}}']],
  },
  {
    title: 'Garbage collection, share of time',
    unit: 'percentunit',
    queries: [
      [
        `sum by (instance, kind) (rate(nodejs_gc_duration_seconds_sum{${here}}[$__rate_interval]))`,
        '{{kind}} {{instance}}',
      ],
    ],
  },
];

const dashboards: readonly Dashboard[] = [
  {
    file: 'mesh.json',
    title: 'Outrigger / Mesh',
    variables: [],
    panels: [
      { title: 'Requests', unit: 'reqps', kind: 'stat', queries: [[requests('direction', out), 'requests']] },
      {
        title: 'Failures',
        unit: 'percentunit',
        kind: 'stat',
        queries: [
          [
            `(${failed('direction', out)} or 0 * ${requests('direction', out)}) / ${requests('direction', out)}`,
            'failures',
          ],
        ],
      },
      {
        title: 'Sidecars without a control plane',
        unit: 'short',
        kind: 'stat',
        queries: [['count(outrigger_xds_connected == 0) or vector(0)', 'sidecars']],
      },
      {
        title: 'Open circuit breakers',
        unit: 'short',
        kind: 'stat',
        queries: [['count(outrigger_circuit_breaker_state == 2) or vector(0)', 'breakers']],
      },
      {
        title: 'Requests by edge',
        unit: 'reqps',
        queries: [[requests('source, destination', out), '{{source}} → {{destination}}']],
      },
      {
        title: 'Failures by edge',
        unit: 'reqps',
        queries: [[failed('source, destination', out), '{{source}} → {{destination}}']],
      },
      {
        title: '99th percentile by edge',
        unit: 's',
        queries: [[latency('0.99', 'source, destination', out), '{{source}} → {{destination}}']],
      },
      {
        title: 'Answers by flag',
        unit: 'reqps',
        queries: [[`sum by (flags) (rate(outrigger_requests_total{${out},flags!=""}[$__rate_interval]))`, '{{flags}}']],
      },
      {
        title: 'Inbound connections by security',
        unit: 'ops',
        queries: [['sum by (security) (rate(outrigger_inbound_connections_total[$__rate_interval]))', '{{security}}']],
      },
      {
        title: 'TCP, bytes to clients',
        unit: 'Bps',
        queries: [
          [
            'sum by (source, destination) (rate(outrigger_tcp_sent_bytes_total[$__rate_interval]))',
            '{{source}} → {{destination}}',
          ],
        ],
      },
      {
        title: 'Certificates, soonest end',
        unit: 's',
        queries: [
          [
            'bottomk(10, min by (instance, name) (outrigger_certificate_expiry_seconds{kind="certificate"}))',
            '{{instance}} {{name}}',
          ],
        ],
      },
      {
        title: 'Labels that overflow',
        unit: 'ops',
        queries: [
          [
            'sum by (instance, label) (rate(outrigger_metric_label_overflow_total[$__rate_interval]))',
            '{{instance}} {{label}}',
          ],
        ],
      },
    ],
  },
  {
    file: 'service.json',
    title: 'Outrigger / Service',
    variables: [{ name: 'service', label: 'Service', metric: 'outrigger_requests_total', of: 'destination' }],
    panels: [
      { title: 'Requests by caller', unit: 'reqps', queries: [[requests('source', ofService), '{{source}}']] },
      {
        title: 'Failures by caller, as it saw them',
        unit: 'reqps',
        queries: [[failed('source', toService), '{{source}}']],
      },
      {
        title: 'Duration',
        unit: 's',
        queries: [
          [latency('0.5', '', ofService), 'p50'],
          [latency('0.9', '', ofService), 'p90'],
          [latency('0.99', '', ofService), 'p99'],
        ],
      },
      {
        title: 'Requests by answer',
        unit: 'reqps',
        queries: [[requests('protocol, code, grpc_status', ofService), '{{protocol}} {{code}} {{grpc_status}}']],
      },
      {
        title: 'Requests by route, of callers',
        unit: 'reqps',
        queries: [[requests('source, route', toService), '{{source}} {{route}}']],
      },
      {
        title: '99th percentile by route, of callers',
        unit: 's',
        queries: [[latency('0.99', 'source, route', toService), '{{source}} {{route}}']],
      },
      {
        title: 'Retries',
        unit: 'reqps',
        queries: [
          [
            'sum by (source, reason) (rate(outrigger_retries_total{destination="$service"}[$__rate_interval]))',
            '{{source}} {{reason}}',
          ],
        ],
      },
      {
        title: 'Bytes',
        unit: 'Bps',
        queries: [
          [`sum(rate(outrigger_request_bytes_total{${ofService}}[$__rate_interval]))`, 'in'],
          [`sum(rate(outrigger_response_bytes_total{${ofService}}[$__rate_interval]))`, 'out'],
        ],
      },
    ],
  },
  {
    file: 'sidecar.json',
    title: 'Outrigger / Sidecar',
    variables: [instance],
    panels: [
      {
        title: 'Requests',
        unit: 'reqps',
        queries: [[requests('direction, source, destination', here), '{{direction}} {{source}} → {{destination}}']],
      },
      {
        title: 'Duration, 99th percentile',
        unit: 's',
        queries: [[latency('0.99', 'direction, destination', here), '{{direction}} {{destination}}']],
      },
      ...processPanels,
      {
        title: 'Connections to hosts',
        unit: 'short',
        queries: [[`outrigger_upstream_connections{${here}}`, '{{cluster}}']],
      },
      {
        title: 'Connections that failed',
        unit: 'ops',
        queries: [
          [
            `sum by (cluster, reason) (rate(outrigger_upstream_connections_failed_total{${here}}[$__rate_interval]))`,
            '{{cluster}} {{reason}}',
          ],
        ],
      },
      {
        title: 'Limits of clusters, share in use',
        unit: 'percentunit',
        queries: [[`outrigger_bulkhead_in_use{${here}} / outrigger_bulkhead_limit{${here}}`, '{{cluster}} {{limit}}']],
      },
      {
        title: 'Circuit breakers (0 closed, 1 half open, 2 open)',
        unit: 'short',
        queries: [[`outrigger_circuit_breaker_state{${here}}`, '{{scope}} {{name}}']],
      },
      {
        title: 'Hosts taken out',
        unit: 'short',
        queries: [[`outrigger_outlier_ejections_active{${here}}`, '{{cluster}}']],
      },
      {
        title: 'Updates from the control plane',
        unit: 'ops',
        queries: [
          [
            `sum by (type, result) (rate(outrigger_xds_updates_total{${here}}[$__rate_interval]))`,
            '{{type}} {{result}}',
          ],
        ],
      },
      {
        title: 'Certificates, time left',
        unit: 's',
        queries: [[`outrigger_certificate_expiry_seconds{${here}}`, '{{name}} {{kind}}']],
      },
      {
        title: 'File descriptors',
        unit: 'short',
        queries: [
          [`process_open_fds{${here}}`, 'open'],
          [`process_max_fds{${here}}`, 'most'],
        ],
      },
    ],
  },
  {
    file: 'control-plane.json',
    title: 'Outrigger / Control plane',
    variables: [{ ...instance, label: 'Control plane', metric: 'outrigger_xds_snapshots' }],
    panels: [
      {
        title: 'Proxies',
        unit: 'short',
        kind: 'stat',
        queries: [[`sum by (kind) (outrigger_xds_proxies{${here}})`, '{{kind}}']],
      },
      {
        title: 'Proxies that refuse something',
        unit: 'short',
        kind: 'stat',
        queries: [[`sum(outrigger_xds_proxies_refusing{${here}})`, 'proxies']],
      },
      {
        title: 'Proxies that have not answered',
        unit: 'short',
        kind: 'stat',
        queries: [[`sum(outrigger_xds_proxies_waiting{${here}})`, 'proxies']],
      },
      {
        title: 'Faults of the configuration',
        unit: 'short',
        kind: 'stat',
        queries: [[`sum(outrigger_configuration_faults{${here}})`, 'faults']],
      },
      {
        title: 'Responses',
        unit: 'ops',
        queries: [[`sum by (type) (rate(outrigger_xds_pushes_total{${here}}[$__rate_interval]))`, '{{type}}']],
      },
      {
        title: 'ACK and NACK',
        unit: 'ops',
        queries: [
          [`sum by (type) (rate(outrigger_xds_acks_total{${here}}[$__rate_interval]))`, 'ACK {{type}}'],
          [`sum by (type) (rate(outrigger_xds_nacks_total{${here}}[$__rate_interval]))`, 'NACK {{type}}'],
        ],
      },
      {
        title: 'Time to convergence',
        unit: 's',
        queries: [
          [
            `histogram_quantile(0.5, sum by (le) (rate(outrigger_xds_convergence_seconds_bucket{${here}}[$__rate_interval])))`,
            'p50',
          ],
          [
            `histogram_quantile(0.99, sum by (le) (rate(outrigger_xds_convergence_seconds_bucket{${here}}[$__rate_interval])))`,
            'p99',
          ],
        ],
      },
      {
        title: 'Objects',
        unit: 'short',
        queries: [[`sum by (source, kind) (outrigger_source_objects{${here}})`, '{{source}} {{kind}}']],
      },
      {
        title: 'Time since sources were read',
        unit: 's',
        queries: [[`time() - outrigger_source_last_read_timestamp_seconds{${here}}`, '{{source}}']],
      },
      {
        title: 'Registered instances',
        unit: 'short',
        queries: [[`outrigger_registered_instances{${here}}`, '{{instance}}']],
      },
      {
        title: 'Certificates',
        unit: 'ops',
        queries: [
          [
            `sum by (proof, result) (rate(outrigger_identity_certificates_total{${here}}[$__rate_interval]))`,
            '{{proof}} {{result}}',
          ],
        ],
      },
      {
        title: 'Authority, time left',
        unit: 's',
        queries: [[`outrigger_authority_expiry_seconds{${here}}`, '{{authority}}']],
      },
      {
        title: 'Refused at the door',
        unit: 'ops',
        queries: [[`sum by (reason) (rate(outrigger_door_refused_total{${here}}[$__rate_interval]))`, '{{reason}}']],
      },
      ...processPanels,
    ],
  },
];

const datasource = { type: 'prometheus', uid: '${datasource}' };

/** Four stats a row, then two charts a row. */
function layout(panels: readonly Panel[]): unknown[] {
  let x = 0;
  let y = 0;
  let rowHeight = 0;
  return panels.map(({ title, unit, kind = 'timeseries', queries }, index) => {
    const [w, h] = kind === 'stat' ? [6, 4] : [12, 8];
    if (x + w > 24 || (x > 0 && h !== rowHeight)) {
      x = 0;
      y += rowHeight;
    }
    rowHeight = h;
    const gridPos = { x, y, w, h };
    x += w;
    return {
      id: index + 1,
      type: kind,
      title,
      datasource,
      gridPos,
      fieldConfig: { defaults: { unit, min: 0 }, overrides: [] },
      options:
        kind === 'timeseries'
          ? {
              legend: { displayMode: 'table', placement: 'bottom', calcs: ['lastNotNull', 'max'] },
              tooltip: { mode: 'multi', sort: 'desc' },
            }
          : { reduceOptions: { calcs: ['lastNotNull'] } },
      targets: queries.map(([expr, legendFormat], at) => ({
        refId: String.fromCharCode(65 + at),
        datasource,
        expr,
        legendFormat,
        exemplar: expr.includes('_bucket'),
      })),
    };
  });
}

/** The text of a dashboard's file, by its name. */
export function dashboardFiles(): ReadonlyMap<string, string> {
  return new Map(
    dashboards.map(({ file, title, variables, panels }) => [
      file,
      `${JSON.stringify(
        {
          uid: `outrigger-${file.replace('.json', '')}`,
          title,
          tags: ['outrigger'],
          timezone: 'browser',
          editable: true,
          schemaVersion: 39,
          refresh: '30s',
          time: { from: 'now-1h', to: 'now' },
          templating: {
            list: [
              { name: 'datasource', label: 'Data source', type: 'datasource', query: 'prometheus' },
              ...variables.map(({ name, label, metric, of }) => ({
                ...{ name, label, type: 'query', datasource, refresh: 2, sort: 1 },
                query: { query: `label_values(${metric}, ${of})`, refId: name },
                ...(name === 'instance' ? { multi: true, includeAll: true, allValue: '.+' } : {}),
              })),
            ],
          },
          panels: layout(panels),
        },
        null,
        2,
      )}\n`,
    ]),
  );
}

if (import.meta.main) {
  const here = dirname(fileURLToPath(import.meta.url));
  for (const [file, text] of dashboardFiles()) writeFileSync(join(here, file), text);
}
