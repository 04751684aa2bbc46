/** What we ask of etcd, in plain values: the seam between those who keep state there and its gRPC API, which tests take the place of. */

export interface EtcdEntry {
  readonly key: string;
  readonly value: Uint8Array;
}

/** A null value: the key is gone, taken away or with its lease. */
export interface EtcdChange {
  readonly key: string;
  readonly value: Uint8Array | null;
}

export interface EtcdWrite {
  readonly key: string;
  /** Null: take it away. */
  readonly value: Uint8Array | null;
  readonly lease: bigint;
}

/** Nothing is written unless `key` has this lease. Absent in the first write of a session. */
export interface EtcdFence {
  readonly key: string;
  readonly lease: bigint;
}

/** A connection to one member of etcd. What fails rejects with an EtcdFault; nothing waits for longer than its time limit. */
export interface EtcdConnection {
  /** All keys that begin so, as they were at one moment, a part at a time; and the revision of that moment. */
  readAll(prefix: string, onEntry: (entry: EtcdEntry) => void): Promise<bigint>;
  /** Every change after that revision, until the connection is closed or the watch ends by itself, which is told. */
  watch(prefix: string, after: bigint, onChange: (change: EtcdChange) => void, onEnd: (fault: EtcdFault) => void): void;
  /** All or nothing. False: the fence does not hold. */
  write(writes: readonly EtcdWrite[], fence: EtcdFence | null): Promise<boolean>;
  grantLease(ttlSeconds: number): Promise<bigint>;
  /** False: the lease is over. */
  keepLease(lease: bigint): Promise<boolean>;
  close(): void;
}

/** Why etcd did not do it, in words for a log line. */
export class EtcdFault extends Error {}

/** Of one transaction; etcd's own limits are 128 and 1.5 MiB (`--max-txn-ops`, `--max-request-bytes`). */
export const maxWrites = 96;
export const maxWriteBytes = 512 * 1024;
