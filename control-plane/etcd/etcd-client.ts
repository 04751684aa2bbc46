/** etcd's gRPC API, as much of it as EtcdConnection needs. One member per client: who loses it takes the next. */
import { checkServerIdentity } from 'node:tls';
import { create, type DescMessage, type MessageInitShape, type MessageShape } from '@bufbuild/protobuf';
import {
  type ChannelCredentials,
  Client,
  type ClientDuplexStream,
  credentials,
  Metadata,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import {
  Compare_CompareResult,
  Compare_CompareTarget,
  Event_EventType,
  KV,
  Lease,
  LeaseGrantRequestSchema,
  type LeaseGrantResponse,
  type LeaseKeepAliveRequest,
  LeaseKeepAliveRequestSchema,
  type LeaseKeepAliveResponse,
  RangeRequestSchema,
  type RangeResponse,
  TxnRequestSchema,
  type TxnResponse,
  Watch,
  type WatchRequest,
  WatchRequestSchema,
  type WatchResponse,
} from '../../proto/generated/etcd/v3/etcd_pb.js';
import { grpcService } from '../../proto/grpc-service.ts';
import {
  type EtcdChange,
  type EtcdConnection,
  type EtcdEntry,
  EtcdFault,
  type EtcdFence,
  type EtcdWrite,
} from './etcd-store.ts';

export interface EtcdTls {
  /** PEM; null: the system's roots. */
  readonly roots: Buffer | null;
  /** PEM, as a client; null: none. */
  readonly key: Buffer | null;
  readonly certificate: Buffer | null;
}

/** Of a call. Slower than that, etcd is of no use to counters. */
const timeLimitMs = 2_000;
/** Of one answer to `readAll`. */
const entriesPerRead = 128;
const maxMessageBytes = 16 * 1024 * 1024;

const kv = grpcService(KV);
const leases = grpcService(Lease);
const watches = grpcService(Watch);

/** A member that has lost the others says so, where else it would go on with what it knew. */
const withLeader = new Metadata();
withLeader.set('hasleader', 'true');

export class EtcdClient implements EtcdConnection {
  readonly #client: Client;
  #stopWatch: () => void = () => {};
  #closed = false;

  /** `tls` null: without. */
  constructor(member: { readonly host: string; readonly port: number }, tls: EtcdTls | null) {
    const { host, port } = member;
    this.#client = new Client(
      host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`,
      tls === null ? credentials.createInsecure() : secure(host, tls),
      {
        'grpc.max_receive_message_length': maxMessageBytes,
        // etcd takes no more than one in 5 s.
        'grpc.keepalive_time_ms': 10_000,
        'grpc.keepalive_timeout_ms': 3_000,
        // A connection of its own, that a new client does not find as the last one left it.
        'grpc.use_local_subchannel_pool': 1,
        // Who tries again is the caller, with another member.
        'grpc.enable_retries': 0,
        // Node takes no address as a server name, and grpc-js would send one; which names are good is judged by `secure`.
        ...(tls === null ? {} : { 'grpc.ssl_target_name_override': /^[\d.]+$|:/.test(host) ? 'etcd.invalid' : host }),
      },
    );
  }

  async readAll(prefix: string, onEntry: (entry: EtcdEntry) => void): Promise<bigint> {
    const rangeEnd = endOf(prefix);
    let key: Uint8Array = Buffer.from(prefix);
    let revision = 0n;
    for (;;) {
      const answer = await this.#call<typeof RangeRequestSchema, RangeResponse>(kv['range']!, RangeRequestSchema, {
        key,
        rangeEnd,
        limit: BigInt(entriesPerRead),
        revision,
      });
      if (revision === 0n) revision = answer.header?.revision ?? 0n;
      for (const { key: name, value } of answer.kvs) onEntry({ key: Buffer.from(name).toString(), value });
      const last = answer.kvs.at(-1);
      if (!answer.more || last === undefined) return revision;
      // The least key that is greater.
      key = Buffer.concat([last.key, Buffer.of(0)]);
    }
  }

  watch(
    prefix: string,
    after: bigint,
    onChange: (change: EtcdChange) => void,
    onEnd: (fault: EtcdFault) => void,
  ): void {
    const { path, requestSerialize, responseDeserialize } = watches['watch']!;
    const stream = this.#client.makeBidiStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      withLeader,
    ) as unknown as ClientDuplexStream<WatchRequest, WatchResponse>;
    this.#stopWatch = () => stream.cancel();
    let ended = false;
    const end = (fault: EtcdFault): void => {
      if (ended || this.#closed) return;
      ended = true;
      stream.cancel();
      onEnd(fault);
    };
    stream.on('data', ({ canceled, compactRevision, cancelReason, events }: WatchResponse) => {
      if (ended || this.#closed) return;
      for (const { type, kv: entry } of events)
        if (entry !== undefined)
          onChange({
            key: Buffer.from(entry.key).toString(),
            value: type === Event_EventType.DELETE ? null : entry.value,
          });
      if (compactRevision !== 0n) end(new EtcdFault('its history was compacted meanwhile'));
      else if (canceled) end(new EtcdFault(`it ended the watch${cancelReason === '' ? '' : `: ${cancelReason}`}`));
    });
    stream.on('error', (error: ServiceError) => end(faultOf(error)));
    stream.on('end', () => end(new EtcdFault('it closed the watch')));
    stream.write(
      create(WatchRequestSchema, {
        requestUnion: {
          case: 'createRequest',
          value: { key: Buffer.from(prefix), rangeEnd: endOf(prefix), startRevision: after + 1n, fragment: true },
        },
      }),
    );
  }

  async write(writes: readonly EtcdWrite[], fence: EtcdFence | null): Promise<boolean> {
    const answer = await this.#call<typeof TxnRequestSchema, TxnResponse>(kv['txn']!, TxnRequestSchema, {
      compare:
        fence === null
          ? []
          : [
              {
                result: Compare_CompareResult.EQUAL,
                target: Compare_CompareTarget.LEASE,
                key: Buffer.from(fence.key),
                targetUnion: { case: 'lease', value: fence.lease },
              },
            ],
      success: writes.map(({ key, value, lease }) =>
        value === null
          ? { request: { case: 'requestDeleteRange', value: { key: Buffer.from(key) } } }
          : { request: { case: 'requestPut', value: { key: Buffer.from(key), value, lease } } },
      ),
    });
    return answer.succeeded;
  }

  async grantLease(ttlSeconds: number): Promise<bigint> {
    const { id, error } = await this.#call<typeof LeaseGrantRequestSchema, LeaseGrantResponse>(
      leases['leaseGrant']!,
      LeaseGrantRequestSchema,
      { ttl: BigInt(ttlSeconds) },
    );
    if (error !== '') throw new EtcdFault(error);
    return id;
  }

  /** A stream for one question: they are rare, and so have a time limit as all others. */
  keepLease(lease: bigint): Promise<boolean> {
    const { path, requestSerialize, responseDeserialize } = leases['leaseKeepAlive']!;
    return new Promise((resolve, reject) => {
      const stream = this.#client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, withLeader, {
        deadline: deadline(),
      }) as unknown as ClientDuplexStream<LeaseKeepAliveRequest, LeaseKeepAliveResponse>;
      stream.on('data', ({ ttl }: LeaseKeepAliveResponse) => {
        resolve(ttl > 0n);
        stream.cancel();
      });
      stream.on('error', (error: ServiceError) => reject(faultOf(error)));
      stream.on('end', () => reject(new EtcdFault('it did not say whether a lease goes on')));
      stream.write(create(LeaseKeepAliveRequestSchema, { id: lease }));
    });
  }

  close(): void {
    this.#closed = true;
    this.#stopWatch();
    this.#client.close();
  }

  #call<Request extends DescMessage, Response>(
    method: ReturnType<typeof grpcService>[string],
    schema: Request,
    request: MessageInitShape<Request>,
  ): Promise<Response> {
    const { path, requestSerialize, responseDeserialize } = method as NonNullable<typeof method>;
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        create(schema, request) as MessageShape<Request>,
        new Metadata(),
        { deadline: deadline() },
        (error, answer) => (error === null ? resolve(answer as Response) : reject(faultOf(error))),
      );
    });
  }
}

/** By the clock that grpc-js measures with. */
function deadline(): number {
  return Date.now() + timeLimitMs;
}

function secure(host: string, { roots, key, certificate }: EtcdTls): ChannelCredentials {
  return credentials.createSsl(roots, key, certificate, {
    checkServerIdentity: (_, peer) => checkServerIdentity(host, peer as Parameters<typeof checkServerIdentity>[1]),
  });
}

/** etcd's prefixes end before the same with its last byte one higher; ours end in `/`. */
function endOf(prefix: string): Buffer {
  const end = Buffer.from(prefix);
  end[end.length - 1]!++;
  return end;
}

const lastError = /^No connection established\. Last error: /;

/** In words: grpc-js's text has the whole of its own story. */
function faultOf({ code, details }: ServiceError): EtcdFault {
  if (details.includes('ECONNREFUSED')) return new EtcdFault('connection refused');
  if (code === status.DEADLINE_EXCEEDED) return new EtcdFault(`no answer within ${timeLimitMs / 1_000} s`);
  if (code === status.RESOURCE_EXHAUSTED && details.includes('space exceeded'))
    return new EtcdFault('its database is full: compact and defragment it, and disarm its alarm');
  if (/^Protocol error|^Received HTTP status code/.test(details.replace(lastError, '')))
    return new EtcdFault('it does not speak gRPC: is that the port where etcd takes clients?');
  if (code === status.UNIMPLEMENTED) return new EtcdFault('it speaks gRPC, but is no etcd of 3.4 or later');
  // Of a connection that cannot be had, grpc-js tells the last of several reasons.
  const reason = details.replace(lastError, '').replace(/\.? Resolution note:.*$/s, '');
  if (reason.startsWith('Failed to connect')) return new EtcdFault('it takes no connection without TLS');
  return new EtcdFault(reason.replace(/^(Error|etcdserver): /, '').slice(0, 200));
}
