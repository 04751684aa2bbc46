/** Puts shared counters together with a real etcd. */
import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import { EtcdClient, type EtcdTls } from '../../etcd/etcd-client.ts';
import type { SourceClock } from '../../source/source-clock.ts';
import { EtcdCounters } from './etcd-counters.ts';

export interface EtcdStoreOptions {
  readonly members: ReadonlyArray<{
    readonly host: string;
    readonly port: number;
    /** For people. */
    readonly text: string;
  }>;
  /** Of all keys; ends in `/`. */
  readonly prefix: string;
  /** Null: without. */
  readonly tls: EtcdTls | null;
}

/** Does nothing yet: `start` does. */
export function openEtcdCounters(
  { members, prefix, tls }: EtcdStoreOptions,
  { clock, log }: { readonly clock: SourceClock; readonly log: Logger },
): EtcdCounters {
  return new EtcdCounters({
    members: members.map(({ text }) => text),
    connect: (member) => new EtcdClient(members[member]!, tls),
    prefix,
    writer: randomUUID(),
    clock,
    random: Math.random,
    log,
  });
}
