/** Finds requests in the flight recorders of all sidecars that attend. */
import type { RequestRecord } from '../../proto/generated/outrigger/observe/v1/observe_pb.js';
import type { ObserveHub } from './observe-hub.ts';
import type { FilterInit } from './query-parameters.ts';

export interface FoundRequests {
  readonly records: readonly RequestRecord[];
  /** Node ids of sidecars that did not answer. */
  readonly silent: readonly string[];
  /** What sidecars did not like. */
  readonly faults: readonly string[];
}

const deadlineMs = 2_000;
/** Of one request id there may be several traces, where a caller gives the same id to many. */
const mostTraces = 4;
const mostHops = 256;

/**
 * All hops of one request, by its id or trace id. An application that makes up request ids of its own but hands on the trace breaks the first and not the second: so whatever trace was found is looked for too.
 */
export async function findRequest(hub: ObserveHub, id: string): Promise<FoundRequests> {
  const first = await hub.gather({ case: 'findRequest', value: { requestId: id } }, deadlineMs);
  const records = first.answers.flatMap(({ requests }) => requests);
  const traces = new Set(records.map(({ traceId }) => traceId).filter((traceId) => traceId !== '' && traceId !== id));
  const silent = new Set(first.silent);
  for (const traceId of [...traces].slice(0, mostTraces)) {
    const more = await hub.gather({ case: 'findRequest', value: { requestId: traceId } }, deadlineMs);
    records.push(...more.answers.flatMap(({ requests }) => requests));
    for (const nodeId of more.silent) silent.add(nodeId);
  }
  return { records: distinct(records).slice(0, mostHops), silent: [...silent].sort(), faults: first.faults };
}

/** The newest first. */
export async function listRequests(hub: ObserveHub, filter: FilterInit, limit: number): Promise<FoundRequests> {
  const { answers, silent, faults } = await hub.gather({ case: 'listRequests', value: { filter, limit } }, deadlineMs);
  const records = answers
    .flatMap(({ requests }) => requests)
    .sort((a, b) => startedMs(b) - startedMs(a))
    .slice(0, limit);
  return { records, silent, faults };
}

export function startedMs({ started }: RequestRecord): number {
  return started === undefined ? 0 : Number(started.seconds) * 1_000 + started.nanos / 1_000_000;
}

function distinct(records: readonly RequestRecord[]): RequestRecord[] {
  const seen = new Map<string, RequestRecord>();
  for (const record of records) {
    const { nodeId, direction, requestId, spanId, listener, method, path } = record;
    seen.set(JSON.stringify([nodeId, direction, requestId, spanId, listener, method, path, startedMs(record)]), record);
  }
  return [...seen.values()];
}
