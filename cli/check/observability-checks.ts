/** Whether what a sidecar is to tell of itself gets out: log lines and spans that were dropped, exporters that fail, labels that ran over, load that is not reported; and whether it is of this version. */
import { formatHostPort, type HostPort } from '../host-port.ts';
import { sidecarAnswer, sidecarJson } from '../sidecar-admin.ts';
import { type Finding, Findings } from './findings.ts';

export interface ObservabilityFacts {
  /** `outrigger/0.1.0/node-26.10.0`; '' when it does not say. */
  readonly version: string;
  /** Counters since it started, of those that are looked at. */
  readonly counters: ReadonlyArray<readonly [name: string, value: number]>;
}

interface Watched {
  readonly name: RegExp;
  readonly text: (name: string, count: number) => string;
  readonly next: string;
}

const watched: readonly Watched[] = [
  {
    name: /^access_log_file\.(?:write_failed|write_dropped|dropped)$/,
    text: (_, count) => `${count} access log lines were lost: the file or what reads stdout does not take them`,
    next: 'is the disk full, or slow? Or log less: a filter, or errors only',
  },
  {
    name: /^access_logs\..*logs_dropped$/,
    text: (name, count) => `${count} access log entries were dropped (${name})`,
    next: 'is the log service reachable, and quick enough? Its cluster is at /clusters',
  },
  {
    name: /\.spans_dropped$/,
    text: (name, count) => `${count} spans were dropped (${name})`,
    next: 'is the collector reachable, and quick enough? Or sample less',
  },
  {
    name: /^(?:tracing|access_logs)\..*_(?:failed|failures|errors)$/,
    text: (name, count) => `${count} exports failed (${name})`,
    next: 'is the collector reachable? Its cluster is at /clusters, and the log says why',
  },
  {
    name: /label_overflow/,
    text: (_, count) =>
      `${count} times a metric had more label values than its bound: what came then counts as "overflow"`,
    next: 'more callers, routes or destinations than are told apart; leave out extra labels, where there are some',
  },
  {
    name: /^load_reporter\.errors$/,
    text: (_, count) => `load could not be reported ${count} times`,
    next: 'is the service of cluster_manager.load_stats_config there? The log says why',
  },
];

/** Rejects with a UserError when nobody answers. */
export async function fetchObservability(address: HostPort): Promise<ObservabilityFacts> {
  const { version = '' } = (await sidecarJson(address, '/server_info')) as { readonly version?: string };
  const filter = encodeURIComponent(watched.map(({ name }) => name.source).join('|'));
  const { status, body } = await sidecarAnswer(address, `/stats?format=json&filter=${filter}`);
  return { version, counters: status === 200 ? countersOf(body) : [] };
}

function countersOf(body: string): ReadonlyArray<readonly [string, number]> {
  const { stats = [] } = JSON.parse(body) as {
    readonly stats?: ReadonlyArray<{ readonly name?: string; readonly value?: unknown }>;
  };
  return stats.flatMap(({ name, value }) =>
    name !== undefined && typeof value === 'number' ? [[name, value] as const] : [],
  );
}

/** `ownVersion`: of this command. */
export function observabilityFindings(
  { version, counters }: ObservabilityFacts,
  address: HostPort,
  ownVersion: string,
): Finding[] {
  const findings = new Findings('observability');
  const [, theirs] = /^outrigger\/([^/]+)/.exec(version) ?? [];
  if (theirs !== undefined && theirs !== ownVersion)
    findings.warning(
      `${formatHostPort(address)} is outrigger ${theirs}, and this is ${ownVersion}`,
      'bring both to one version: what one says the other may not know',
    );
  for (const { name, text, next } of watched)
    for (const [counter, count] of counters)
      if (count > 0 && name.test(counter)) findings.warning(`${text(counter, count)}, since it started`, next);
  return findings.okUnlessSaid('no log line, span or report was lost');
}
