/**
 * What the logs of a chaos run prove, or what they break: a pure function over what callers, services, the callers' sidecars and the fault script wrote.
 *
 * 1. A POST is executed once at most; one that was answered 200 exactly once, and to its end. Every request that was answered 200 was executed by who answered.
 * 2. A request that failed was on the way through a part that was hit: it was in flight there when the fault began, or was sent there while the fault lasted and not later than {@link detectionMs} after its beginning. Where it was sent is what its
 *    caller's sidecar says, and what the services say. A caller has one sidecar and one network: while those are hit, all that it sends may fail.
 *    {@link settleMs} after the end of a fault is still its time.
 *    A part that the machine starved of its cores was hit too, for as long as that lasted; the figures say how often it was, and how many failures nothing else excuses.
 * 3. Faults of the control plane excuse nothing, nor does a pod that is restarted in the order in which `outrigger run` does it.
 */
import type { Layout } from './fault-plan.ts';
import type { AccessRecord, ClientRecord, FaultRecord, ServiceRecord } from './records.ts';

export interface ChaosLogs {
  readonly layout: Layout;
  readonly clients: readonly ClientRecord[];
  readonly services: readonly ServiceRecord[];
  readonly accesses: readonly AccessRecord[];
  readonly faults: readonly FaultRecord[];
}

/** Of faults of one kind on parts of one kind. */
export interface FaultFigures {
  /** As `kill app`. */
  readonly name: string;
  readonly faults: number;
  /** Requests that failed and that such a fault excuses. One that two faults excuse counts for both. */
  readonly failed: number;
  /** The last of them began so long after the fault; negative: all were in flight before it. -Infinity: none. */
  readonly lastFailureAfterMs: number;
}

export interface ChaosResult {
  readonly violations: readonly string[];
  readonly figures: readonly FaultFigures[];
  readonly requests: number;
  readonly failed: number;
  readonly posts: number;
  /** Requests that ran more than once, which GET and PUT may. */
  readonly repeated: number;
  /** Failures that nothing excuses but that the machine had no core for a part. */
  readonly starved: number;
}

/**
 * How long it may take until a caller's sidecar sends no more requests where they fail. By the defaults a connection that is not had within 1 s is a failure, five in a row are an ejection, and what waits for a connection is sent elsewhere meanwhile; an HTTP/2
 * connection that says nothing gets no more streams after 1 s and two or three requests. The rest is for a machine that is busy otherwise.
 */
export const detectionMs = 3_000;

/** Connections that were begun before a fault was over are given up by their time limit, 1 s, with all that waits for them. */
export const settleMs = 1_000;

export function checkChaos(logs: ChaosLogs): ChaosResult {
  const violations: string[] = [];
  const executions = Map.groupBy(logs.services, ({ id }) => id);
  const accesses = Map.groupBy(logs.accesses, ({ id }) => id);
  const excused: Array<readonly [request: ClientRecord, fault: FaultRecord]> = [];
  let failed = 0;
  let starved = 0;
  for (const [id, records] of executions) {
    const [first] = records as [ServiceRecord];
    const starts = records.filter(({ event }) => event === 'started');
    if (first.method === 'POST' && starts.length > 1)
      violations.push(
        `POST ${id} ran ${starts.length} times: ${starts.map(({ instance, atMs }) => `${instance} at ${atMs.toFixed(0)}`).join(', ')}`,
      );
  }
  for (const request of logs.clients) {
    const records = executions.get(request.id) ?? [];
    if (request.status === 200) {
      const by = records.filter(({ instance }) => instance === request.instance);
      if (!by.some(({ event }) => event === 'finished'))
        violations.push(
          `${describe(request)} was answered by ${request.instance || 'nobody'}, which did not execute it`,
        );
      continue;
    }
    failed++;
    const sent = accesses.get(request.id) ?? [];
    const pods = new Set([...sent.map(({ upstream }) => upstream), ...records.map(({ instance }) => instance)]);
    const faults = logs.faults.filter((fault) => excuses(fault, request, pods, logs.layout));
    for (const fault of faults) excused.push([request, fault]);
    if (faults.length > 0 && faults.every(({ kind }) => kind === 'starved')) starved++;
    if (faults.length === 0) violations.push(unexcused(request, sent, records, logs));
  }
  return {
    violations,
    starved,
    figures: figuresOf(logs, excused),
    requests: logs.clients.length,
    failed,
    posts: logs.clients.filter(({ method }) => method === 'POST').length,
    repeated: [...executions.values()].filter(
      (records) => records.filter(({ event }) => event === 'started').length > 1,
    ).length,
  };
}

/** Whether the request may have failed because of the fault. `pods`: where it was sent or executed. */
function excuses(fault: FaultRecord, request: ClientRecord, pods: ReadonlySet<string>, { callers }: Layout): boolean {
  const { kind, part, startMs, endMs } = fault;
  if (part.kind === 'control-plane' || request.endMs < startMs || request.startMs > endMs + settleMs) return false;
  if (callers.includes(part.pod)) {
    if (request.caller !== part.pod) return false;
    if (part.peer === '') return part.kind === 'link' || part.kind === 'sidecar';
    return pods.has(part.peer) && request.startMs <= startMs + detectionMs;
  }
  if (kind === 'restart' && part.kind !== 'app') return false;
  // Who gets a core now and then is found, and forgotten, again and again.
  return pods.has(part.pod) && (kind === 'starved' || request.startMs <= startMs + detectionMs);
}

function unexcused(
  request: ClientRecord,
  sent: readonly AccessRecord[],
  records: readonly ServiceRecord[],
  { faults, layout }: ChaosLogs,
): string {
  const near = faults.filter(({ startMs, endMs }) => request.endMs >= startMs && request.startMs <= endMs + 5_000);
  return [
    `${describe(request)} failed and no fault excuses it: ${request.error.trim() || request.status}`,
    ...sent.map(
      ({ upstream, flag, details, attempts }) =>
        `  sent to ${upstream || 'nobody'}: ${flag} ${details}, ${attempts} attempts`,
    ),
    ...records.map(
      ({ instance, event, atMs }) => `  ${event} by ${instance} at ${(atMs - request.startMs).toFixed(0)} ms`,
    ),
    ...near.map(
      (fault) =>
        `  near it: ${nameOf(fault, layout)} of ${fault.part.pod} ${fault.part.peer}, from ${(fault.startMs - request.startMs).toFixed(0)} to ${(fault.endMs - request.startMs).toFixed(0)} ms`,
    ),
  ].join('\n');
}

function describe({ method, id, service, caller, startMs, endMs }: ClientRecord): string {
  return `${method} ${id} from ${caller} to ${service} (${startMs.toFixed(0)}, ${(endMs - startMs).toFixed(0)} ms)`;
}

function nameOf({ kind, part }: FaultRecord, { callers, controlPlane }: Layout): string {
  if (part.kind === 'link' && part.peer !== '') return `${kind} link between two`;
  const whose = callers.includes(part.pod)
    ? "caller's "
    : part.pod === controlPlane && part.kind === 'link'
      ? "control plane's "
      : '';
  return `${kind} ${whose}${part.kind}`;
}

function figuresOf(
  { faults, layout }: ChaosLogs,
  excused: ReadonlyArray<readonly [request: ClientRecord, fault: FaultRecord]>,
): readonly FaultFigures[] {
  return [...Map.groupBy(faults, (fault) => nameOf(fault, layout))]
    .map(([name, those]) => {
      const failures = excused.filter(([, fault]) => nameOf(fault, layout) === name);
      return {
        name,
        faults: those.length,
        failed: failures.length,
        lastFailureAfterMs: Math.max(-Infinity, ...failures.map(([request, fault]) => request.startMs - fault.startMs)),
      };
    })
    .sort((one, other) => one.name.localeCompare(other.name));
}
