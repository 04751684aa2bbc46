/** Where Telemetry documents send traces and logs, as plain rows: each place once, with who names it and, of a Service, the addresses behind it. */
import { collectorsOf } from '../config-kind/telemetry.ts';
import type { TelemetryPolicy } from '../model/policy-set.ts';

export interface CollectorRow {
  /** `host:port`, or `otel.shop:4317` of a Service. */
  readonly place: string;
  /** `namespace/name` of a Service; '' : an address. */
  readonly service: string;
  readonly host: string;
  readonly port: number;
  /** `namespace/name` of each document. */
  readonly namedBy: readonly string[];
  /** Why nothing is sent there; '' : it is. */
  readonly problem: string;
}

export function listCollectors(documents: readonly TelemetryPolicy[]): CollectorRow[] {
  const rows = new Map<string, CollectorRow & { readonly namedBy: string[] }>();
  for (const { namespace, name, tracing, accessLog, problems } of documents) {
    for (const { target } of collectorsOf({ tracing, accessLog })) {
      const host = target.kind === 'address' ? target.host : `${target.service}.${target.namespace}`;
      const place = host.includes(':') ? `[${host}]:${target.port}` : `${host}:${target.port}`;
      let row = rows.get(`${target.kind} ${place}`);
      if (row === undefined) {
        const service = target.kind === 'service' ? `${target.namespace}/${target.service}` : '';
        row = { place, service, host, port: target.port, namedBy: [], problem: problems[target.path] ?? '' };
        rows.set(`${target.kind} ${place}`, row);
      }
      if (!row.namedBy.includes(`${namespace}/${name}`)) row.namedBy.push(`${namespace}/${name}`);
    }
  }
  return [...rows.values()];
}
