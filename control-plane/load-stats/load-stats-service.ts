/**
 * LRS (`envoy.service.load_stats.v3`) over grpc-js: every client that names itself is asked for the load of all its clusters, every so often. Who comes by the TLS door has to be who its node says, as on an xDS stream.
 * One stream of a node counts, the newest; nobody takes the place of a proxy of another identity by its name.
 */
import { create } from '@bufbuild/protobuf';
import { type ServerDuplexStream, status } from '@grpc/grpc-js';
import type { Logger } from 'pino';
import type { SpiffeId } from '../../certs/spiffe/spiffe-id.ts';
import {
  type LoadStatsRequest,
  type LoadStatsResponse,
  LoadStatsResponseSchema,
} from '../../proto/generated/envoy/service/load_stats/v3/lrs_pb.js';
import { type Caller, callerOf } from '../door/caller.ts';
import { refusalOf, refusalReason } from '../door/refusal.ts';
import { durationOf } from '../translate/api-values.ts';
import { type ProxyNode, readProxyNode } from '../translate/proxy-node.ts';
import { type LoadRow, LoadTable } from './load-table.ts';

export interface LoadStatsServiceOptions {
  /** Whether there is such a Service. */
  readonly knows: (namespace: string, service: string) => boolean;
  /** The identity by which a known caller is this proxy. Throws IdentityFault `not-allowed`. */
  readonly identityOf: (caller: Caller, proxy: ProxyNode) => SpiffeId;
  readonly log: Logger;
  readonly nowMs: () => number;
  /** A stream was refused; `reason` is one of our words. */
  readonly onRefused: (reason: string) => void;
  /** How often it is reported; default {@link defaultIntervalMs}. */
  readonly intervalMs?: number;
}

interface Reporter {
  /** Whose streams take each other's place. */
  readonly key: string;
  readonly source: string;
}

type Stream = ServerDuplexStream<LoadStatsRequest, LoadStatsResponse>;

/** Often enough to see an hour's shifts in, and little enough to be always on. */
const defaultIntervalMs = 10_000;
/** A report may be late by so many intervals. */
const freshIntervals = 3;
/** More streams than any mesh of ours has proxies: a peer that opens more gets none. */
const mostReporters = 20_000;

export class LoadStatsService {
  readonly #options: LoadStatsServiceOptions;
  readonly #intervalMs: number;
  readonly #table: LoadTable;
  readonly #streams = new Map<string, Stream>();

  constructor(options: LoadStatsServiceOptions) {
    this.#options = options;
    this.#intervalMs = options.intervalMs ?? defaultIntervalMs;
    this.#table = new LoadTable(options.knows);
  }

  /** Behind `GET /api/v1/loads`. */
  rows(): LoadRow[] {
    return this.#table.rows(this.#options.nowMs(), freshIntervals * this.#intervalMs);
  }

  readonly implementation = {
    streamLoadStats: (stream: Stream): void => this.#open(stream),
  };

  /** This control plane is going away. */
  endStreams(): void {
    for (const stream of this.#streams.values()) stream.end();
  }

  #open(stream: Stream): void {
    let reporter: Reporter | null = null;
    let over = false;
    const close = (): void => {
      over = true;
      this.#table.delete(stream);
      if (reporter !== null && this.#streams.get(reporter.key) === stream) this.#streams.delete(reporter.key);
    };
    stream.on('end', () => {
      close();
      stream.end();
    });
    for (const event of ['cancelled', 'close', 'error'] as const) stream.on(event, close);
    stream.on('data', (request: LoadStatsRequest) => {
      if (over) return;
      if (reporter === null) {
        reporter = this.#identify(stream, request);
        if (reporter === null) close();
        else this.#begin(stream, reporter);
      } else if (this.#streams.get(reporter.key) === stream)
        this.#table.set(stream, reporter.source, request.clusterStats, this.#intervalMs, this.#options.nowMs());
    });
  }

  #begin(stream: Stream, { key }: Reporter): void {
    const before = this.#streams.get(key);
    this.#streams.set(key, stream);
    if (before !== undefined) {
      this.#table.delete(before);
      before.end();
    }
    stream.write(
      create(LoadStatsResponseSchema, { sendAllClusters: true, loadReportingInterval: durationOf(this.#intervalMs) }),
    );
  }

  /** Null: it was told why not. */
  #identify(stream: Stream, { node }: LoadStatsRequest): Reporter | null {
    if (node === undefined)
      return refuse(stream, status.INVALID_ARGUMENT, 'the first message of a stream needs a node');
    const read = readProxyNode(node);
    if ('faults' in read) return refuse(stream, status.INVALID_ARGUMENT, read.faults.join('; '));
    const { identityOf, onRefused, log } = this.#options;
    const { id, namespace, service } = read.proxy;
    const caller = callerOf(stream);
    let identity = '';
    if (caller !== null)
      try {
        identity = identityOf(caller, read.proxy).text;
      } catch (error) {
        onRefused(refusalReason(error));
        const { code, details } = refusalOf(error, `a load report of ${stream.getPeer()}`, log);
        return refuse(stream, code, details);
      }
    const key = JSON.stringify([identity, id]);
    if (this.#streams.size >= mostReporters && !this.#streams.has(key))
      return refuse(stream, status.RESOURCE_EXHAUSTED, 'too many clients report load');
    return { key, source: service === '' ? namespace : `${namespace}/${service}` };
  }
}

function refuse(stream: Stream, code: status, details: string): null {
  stream.emit('error', { code, details });
  return null;
}
