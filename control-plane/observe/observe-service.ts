/** `outrigger.observe.v1` over grpc-js, on both doors: sidecars open the stream, and their first message says who they are; where a caller is known that has to agree with its identity. */
import { type ServerDuplexStream, status } from '@grpc/grpc-js';
import type { Logger } from 'pino';
import { IdentityFault } from '../../certs/identity-fault.ts';
import type { SpiffeId } from '../../certs/spiffe/spiffe-id.ts';
import type { Answer, Hello, Query, Report } from '../../proto/generated/outrigger/observe/v1/observe_pb.js';
import { type Caller, callerOf } from '../door/caller.ts';
import { AttendingProxy } from './attending-proxy.ts';
import type { ObserveHub } from './observe-hub.ts';

type AttendStream = ServerDuplexStream<Report, Query>;

export interface ObserveServiceOptions {
  readonly hub: ObserveHub;
  /** The identity by which a known caller is of this service. Throws IdentityFault `not-allowed`. */
  readonly identityOf: (caller: Caller, namespace: string, service: string, what: string) => SpiffeId;
  readonly log: Logger;
  /** `reason` is one of our words. */
  readonly onRefused: (reason: string) => void;
  readonly after: (delayMs: number, callback: () => void) => () => void;
}

/** By then a stream has said whose it is. */
const helloMs = 10_000;
const serviceName = /^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?\/[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/;
const mostNodeId = 256;

export class ObserveService {
  readonly #options: ObserveServiceOptions;
  readonly #streams = new Set<AttendedStream>();

  constructor(options: ObserveServiceOptions) {
    this.#options = options;
  }

  readonly implementation = {
    attend: (stream: AttendStream): void => {
      const attended = new AttendedStream(stream, this.#options, () => this.#streams.delete(attended));
      this.#streams.add(attended);
    },
  };

  /** This control plane is going away. */
  endStreams(): void {
    for (const stream of [...this.#streams]) stream.end();
  }

  /** Ends the streams of those who may no more be of their service: the accounts of services have changed. */
  checkIdentities(): void {
    for (const stream of [...this.#streams]) stream.checkIdentity();
  }
}

class AttendedStream {
  readonly #stream: AttendStream;
  readonly #options: ObserveServiceOptions;
  readonly #onOver: () => void;
  readonly #stopHello: () => void;
  #proxy: AttendingProxy | null = null;
  #over = false;

  constructor(stream: AttendStream, options: ObserveServiceOptions, onOver: () => void) {
    this.#stream = stream;
    this.#options = options;
    this.#onOver = onOver;
    this.#stopHello = options.after(helloMs, () => this.#refuse(status.DEADLINE_EXCEEDED, 'nothing said who this is'));
    stream.on('data', (report: Report) => this.#onReport(report));
    stream.on('end', () => this.end());
    for (const event of ['cancelled', 'close', 'error'] as const) stream.on(event, () => this.#close());
  }

  end(): void {
    if (this.#over) return;
    this.#close();
    this.#stream.end();
  }

  checkIdentity(): void {
    const caller = callerOf(this.#stream);
    if (this.#over || this.#proxy === null || caller === null) return;
    // It comes back, and is told then.
    if (this.#identityOf(caller, this.#proxy.service) !== this.#proxy.identity) this.end();
  }

  #onReport({ report }: Report): void {
    if (this.#over) return;
    if (this.#proxy === null) {
      if (report.case === 'hello') this.#greet(report.value);
      else this.#refuse(status.INVALID_ARGUMENT, 'the first message of a stream says who it is of');
    } else if (report.case === 'answer') this.#take(this.#proxy, report.value);
    else this.#refuse(status.INVALID_ARGUMENT, 'after the first message there are answers');
  }

  /** Whatever is wrong with an answer: it ends this stream, and nothing else. */
  #take(proxy: AttendingProxy, answer: Answer): void {
    try {
      proxy.onAnswer(answer);
    } catch (error) {
      this.#refuse(status.INTERNAL, `an answer of ${proxy.nodeId} could not be taken: ${(error as Error).message}`);
    }
  }

  #greet({ nodeId, nodeCluster }: Hello): void {
    this.#stopHello();
    if (nodeId === '' || nodeId.length > mostNodeId)
      return this.#refuse(status.INVALID_ARGUMENT, `node_id: a text of 1 to ${mostNodeId} characters`);
    if (!serviceName.test(nodeCluster))
      return this.#refuse(
        status.INVALID_ARGUMENT,
        `node_cluster: ${JSON.stringify(nodeCluster.slice(0, 200))} is not NAMESPACE/SERVICE`,
      );
    const caller = callerOf(this.#stream);
    let identity: string | null = '';
    if (caller !== null) identity = this.#identityOf(caller, nodeCluster);
    if (identity === null) return;
    const proxy = new AttendingProxy({ nodeId, service: nodeCluster, identity }, (query) => this.#stream.write(query));
    const fault = this.#options.hub.add(proxy);
    if (fault !== '') return this.#refuse(status.RESOURCE_EXHAUSTED, fault);
    this.#proxy = proxy;
  }

  /** Null: the stream was refused. */
  #identityOf(caller: Caller, nodeCluster: string): string | null {
    const [namespace = '', service = ''] = nodeCluster.split('/');
    try {
      return this.#options.identityOf(caller, namespace, service, 'node_cluster').text;
    } catch (error) {
      if (!(error instanceof IdentityFault)) throw error;
      this.#options.onRefused(error.reason);
      this.#refuse(status.PERMISSION_DENIED, error.message);
      return null;
    }
  }

  #refuse(code: status, details: string): void {
    if (this.#over) return;
    this.#options.log.info(`ended a stream of observation from ${this.#stream.getPeer()}: ${details}`);
    this.#stream.emit('error', { code, details });
    this.#close();
  }

  #close(): void {
    if (this.#over) return;
    this.#over = true;
    this.#stopHello();
    if (this.#proxy !== null) this.#options.hub.remove(this.#proxy);
    this.#onOver();
  }
}
