/** One xDS stream, whichever its variant: who is at its other end, what it may have, and its one end. Messages are turned into requests and back by xds-service.ts. */
import { type ServerDuplexStream, status } from '@grpc/grpc-js';
import type { Logger } from 'pino';
import { IdentityFault } from '../../certs/identity-fault.ts';
import type { SpiffeId } from '../../certs/spiffe/spiffe-id.ts';
import type { Node } from '../../proto/generated/envoy/config/core/v3/base_pb.js';
import type {
  DeltaDiscoveryRequest,
  DeltaDiscoveryResponse,
  DiscoveryRequest,
  DiscoveryResponse,
} from '../../proto/generated/envoy/service/discovery/v3/discovery_pb.js';
import { type Caller, callerOf } from '../door/caller.ts';
import { refusalOf, refusalReason } from '../door/refusal.ts';
import type { RefusalLog } from '../door/refusal-log.ts';
import { type Egress, type ProxyNode, readProxyNode } from '../translate/proxy-node.ts';
import type { SessionOwner } from './ads-session.ts';
import type { ConnectedProxy, ProxyRegistry } from './connected-proxy.ts';
import type { SecretSource, StreamSecrets } from './secret-source.ts';
import { servedTypes, typeOrder } from './served-resource.ts';
import type { StreamOwner, StreamsOfOne } from './streams-of-one.ts';
import type { OutgoingResponse, Subscription } from './subscription.ts';
import { UnservedTypes } from './unserved-types.ts';
import type { XdsCounts } from './xds-counts.ts';

export interface XdsServiceOptions {
  readonly proxies: ProxyRegistry;
  /** Null: no TLS door, so no secrets. */
  readonly secrets: SecretSource | null;
  /** The identity by which a known caller is this proxy. Throws IdentityFault `not-allowed`. */
  readonly identityOf: (caller: Caller, proxy: ProxyNode) => SpiffeId;
  readonly log: Logger;
  readonly nowMs: () => number;
  readonly wallMs: () => number;
  readonly after: (delayMs: number, callback: () => void) => () => void;
  readonly random: () => number;
  /** Streams are ended after this long, give or take a tenth, so that clients spread over control planes again. 0: never. */
  readonly maxStreamAgeMs: number;
  /** A stream was refused; `reason` is one of our words. */
  readonly onRefused: (reason: string) => void;
  /** For what one caller can make us refuse again and again. */
  readonly refusalLog: RefusalLog;
  /** Absent: nobody counts. */
  readonly counts?: XdsCounts;
  /** Of proxies that say nothing tighter themselves. Default: allow. */
  readonly egress?: Egress;
}

export type Stream =
  | ServerDuplexStream<DiscoveryRequest, DiscoveryResponse>
  | ServerDuplexStream<DeltaDiscoveryRequest, DeltaDiscoveryResponse>;

/** What a stream is for: everything (ADS), or secrets only (SDS). */
export type StreamScope = 'ads' | 'secrets';

const maxSecretNames = 64;

export class StreamHandler implements SessionOwner {
  readonly stream: Stream;
  readonly #options: XdsServiceOptions;
  readonly #scope: StreamScope;
  readonly #encode: (response: OutgoingResponse) => unknown;
  readonly #stopAge: () => void;
  readonly #complained = new Set<string>();
  readonly #unserved = new UnservedTypes((typeUrl) =>
    this.#options.log.warn(
      `proxy ${this.connected!.proxy.id} asks for ${JSON.stringify(typeUrl.slice(0, 200))}, which is not served here: it is told that there is nothing`,
    ),
  );
  readonly #streams: StreamsOfOne;
  /** Null: nobody's yet. */
  #countedAs: StreamOwner | null = null;
  #secrets: StreamSecrets | null = null;
  #stopLater: () => void = () => {};
  #ended = false;
  connected: ConnectedProxy | null = null;
  session!: ConnectedProxy['session'];

  constructor(
    stream: Stream,
    options: XdsServiceOptions,
    scope: StreamScope,
    streams: StreamsOfOne,
    encode: (response: OutgoingResponse) => unknown,
  ) {
    this.#streams = streams;
    this.stream = stream;
    this.#options = options;
    this.#scope = scope;
    this.#encode = encode;
    stream.on('end', () => this.end());
    stream.on('cancelled', () => this.close());
    stream.on('error', () => this.close());
    const { maxStreamAgeMs } = options;
    this.#stopAge =
      maxStreamAgeMs > 0 ? options.after(maxStreamAgeMs * (0.9 + options.random() * 0.2), () => this.end()) : () => {};
  }

  get ended(): boolean {
    return this.#ended;
  }

  send(response: OutgoingResponse): void {
    if (this.#ended) return;
    if (this.#served(response.typeUrl)) this.#options.counts?.add(response.typeUrl, 'response');
    (this.stream as { write(message: unknown): boolean }).write(this.#encode(response));
  }

  /** `awaited`: the nonce of what was not answered before this request. */
  countAnswer(typeUrl: string, awaited: string, nonce: string, error: string | null): void {
    if (nonce === '') return;
    if (error !== null) this.#options.counts?.add(typeUrl, 'nack');
    else if (nonce === awaited) this.#options.counts?.add(typeUrl, 'ack');
    if (this.connected !== null && this.#scope === 'ads') this.#options.proxies.answered(this.connected);
  }

  #served(typeUrl: string): boolean {
    return servedTypes.includes(typeUrl);
  }

  nowMs(): number {
    return this.#options.nowMs();
  }

  flushLater(delayMs: number): void {
    this.#stopLater();
    this.#stopLater = this.#options.after(delayMs, () => {
      if (!this.#ended) this.session.flush();
    });
  }

  /** What a request is about; '' for what this stream does not serve. */
  typeOf(typeUrl: string): string {
    if (this.#scope === 'ads') return typeUrl;
    return typeUrl === '' || typeUrl === typeOrder.secret ? typeOrder.secret : '';
  }

  /** The first message must say who this is, and that must agree with who the caller is; false ends the stream. */
  identify(node: Node | undefined, variant: 'sotw' | 'delta'): boolean {
    if (this.connected !== null) return true;
    if (node === undefined) return this.refuse('the first message of a stream needs a node');
    const read = readProxyNode(node, { egress: this.#options.egress ?? 'allow' });
    if ('faults' in read) return this.refuse(read.faults.join('; '));
    const { log, proxies, wallMs } = this.#options;
    const peer = this.stream.getPeer();
    const caller = callerOf(this.stream);
    let identity: SpiffeId | null = null;
    if (caller !== null) {
      try {
        identity = this.#options.identityOf(caller, read.proxy);
      } catch (error) {
        if (!(error instanceof IdentityFault)) throw error;
        this.#options.onRefused(error.reason);
        return this.refuse(error.message, status.PERMISSION_DENIED);
      }
    }
    const { id, cluster } = read.proxy;
    const owner = identity?.text ?? { cluster, id };
    if (!this.#streams.enter(owner))
      return this.#refuseOneMore(
        identity === null
          ? `${JSON.stringify(id)} of ${cluster} has too many streams at once; each process needs a node.id of its own`
          : `${identity.text} has too many streams at once`,
      );
    this.#countedAs = owner;
    if (caller !== null && identity !== null) this.#openSecrets(caller, identity, id, peer);
    const connected: ConnectedProxy = {
      node,
      proxy: { ...read.proxy, identity },
      peer,
      variant,
      connectedWallMs: wallMs(),
      certificate: () => this.#secrets?.certificate ?? caller?.certificate ?? null,
      session: this.session,
      snapshot: null,
    };
    const fault = this.#scope === 'secrets' ? '' : proxies.add(connected);
    if (fault !== '') return this.#refuseOneMore(fault);
    this.connected = connected;
    if (this.#scope === 'secrets') return true;
    log.info(
      `proxy ${read.proxy.id} (${read.proxy.cluster}) connected from ${peer} (${variant}${identity === null ? '' : `, ${identity.text}`})`,
    );
    return true;
  }

  #refuseOneMore(details: string): false {
    const { onRefused, refusalLog } = this.#options;
    onRefused('too-many-streams-of-one');
    return this.refuse(details, status.RESOURCE_EXHAUSTED, refusalLog.next());
  }

  /** Ends the stream when its caller may no more be this proxy. */
  checkIdentity(): void {
    const proxy = this.connected?.proxy;
    const caller = callerOf(this.stream);
    if (this.#ended || proxy === undefined || caller === null) return;
    try {
      const { text } = this.#options.identityOf(caller, proxy);
      // Another of its accounts: it comes back as that.
      if (text !== proxy.identity?.text) this.end();
    } catch (error) {
      if (!(error instanceof IdentityFault)) throw error;
      this.#options.onRefused(error.reason);
      this.refuse(error.message, status.PERMISSION_DENIED);
    }
  }

  /** A request for a type that is not served: the answer says that there is nothing. */
  answerUnserved(typeUrl: string, answer: (unserved: UnservedTypes) => OutgoingResponse | null): void {
    if (typeUrl === '') {
      this.refuse('type_url: is missing; a request on an aggregated stream names its type');
      return;
    }
    const response = answer(this.#unserved);
    if (response !== null) this.send(response);
  }

  refuse(
    details: string,
    code: status = status.INVALID_ARGUMENT,
    log: Pick<Logger, 'warn'> | null = this.#options.log,
  ): false {
    log?.warn(`ended an xDS stream from ${this.stream.getPeer()}: ${details}`);
    this.stream.emit('error', { code, details });
    this.close();
    return false;
  }

  /** After a request: names of secrets that are wanted for the first time, and what the client says it uses. */
  afterRequest(subscription: Subscription, error: string | null): void {
    const { typeUrl } = subscription;
    const { log } = this.#options;
    if (error !== null)
      log.warn(
        `proxy ${this.connected!.proxy.id} refused ${typeUrl.slice(typeUrl.lastIndexOf('.') + 1)}: ${loggable(error)}`,
      );
    if (typeUrl !== typeOrder.secret) return;
    if (subscription.names.size > maxSecretNames) {
      this.refuse(`more than ${maxSecretNames} names of secrets; there are two`);
      return;
    }
    let unknown: Iterable<string>;
    try {
      unknown = this.#secrets?.want(subscription.names) ?? subscription.names;
    } catch (fault) {
      this.#options.onRefused(refusalReason(fault));
      const { code, details } = refusalOf(fault, `a secret for ${this.stream.getPeer()}`, log);
      this.refuse(details, code);
      return;
    }
    for (const name of unknown) this.#complain(name);
    if (subscription.awaiting === '') this.#secrets?.acknowledged(usedVersions(subscription));
  }

  /** Ends the stream in order; the client comes back. */
  end(): void {
    if (this.#ended) return;
    this.close();
    this.stream.end();
  }

  close(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#stopAge();
    this.#stopLater();
    this.#secrets?.close();
    if (this.#countedAs !== null) this.#streams.leave(this.#countedAs);
    if (this.connected === null || this.#scope === 'secrets') return;
    this.#options.proxies.remove(this.connected);
    this.#options.log.info(`proxy ${this.connected.proxy.id} disconnected`);
  }

  #openSecrets(caller: Caller, identity: SpiffeId, nodeId: string, peer: string): void {
    const secrets = this.#options.secrets?.open({
      identity,
      proof: caller.proof,
      nodeId,
      peer,
      use: () => caller.useFor(nodeId),
      onChange: () => {
        if (!this.#ended) this.session.flush();
      },
    });
    if (secrets === undefined) return;
    this.#secrets = secrets;
    this.session.setSecrets(() => secrets.resources());
  }

  /** One line for each name that comes to nothing. */
  #complain(name: string): void {
    if (this.#complained.has(name) || this.#complained.size >= maxSecretNames) return;
    this.#complained.add(name);
    const why =
      this.#secrets === null
        ? 'secrets are for streams whose caller is known: connect by TLS (15012) with a certificate or a token'
        : 'there are default, its own certificate, and ROOTCA, what it judges peers by';
    this.#options.log.warn(
      `proxy ${this.connected!.proxy.id} asked for the secret ${loggable(JSON.stringify(name))}, which it does not get: ${why}`,
    );
  }
}

function usedVersions(subscription: Subscription): ReadonlyMap<string, string> {
  const used = new Map<string, string>();
  for (const { name, version } of subscription.sent.values())
    if (subscription.refused?.versions.get(name) !== version) used.set(name, version);
  return used;
}

/** What a client says, cut to a length that a log can bear. */
function loggable(text: string): string {
  return text.length > 2_000 ? `${text.slice(0, 2_000)}…` : text;
}
