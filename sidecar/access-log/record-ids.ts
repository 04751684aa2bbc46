/** Ids that only log lines want: made when the first line asks, and the same for all lines of one connection or session. */
import { newRequestId } from '../connection-manager/request-id.ts';
import type { LogRecord } from './log-record.ts';

const connections = new WeakMap<object, number>();
const streams = new WeakMap<object, string>();
let lastConnection = 0;

/** Of the downstream connection; of this process. */
export function connectionId({ info }: LogRecord): number {
  let id = connections.get(info);
  if (id === undefined) {
    id = ++lastConnection;
    connections.set(info, id);
  }
  return id;
}

/** The request id; of a connection one that is made up. */
export function streamId(record: LogRecord): string {
  if (!record.tcp) return record.requestId;
  let id = streams.get(record.info);
  if (id === undefined) {
    id = newRequestId();
    streams.set(record.info, id);
  }
  return id;
}
