/**
 * A control plane as small as the protocol's rules allow, in both variants, for tests of the ADS client: what it holds, and one stream at a time. It sends only when told to,
 * so that a test decides how changes, answers and broken streams interleave. Source of the rules: Envoy's xDS protocol description.
 */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  type DeltaDiscoveryRequest,
  DeltaDiscoveryRequestSchema,
  DeltaDiscoveryResponseSchema,
  type DiscoveryRequest,
  DiscoveryRequestSchema,
  DiscoveryResponseSchema,
} from '../../../../proto/generated/envoy/service/discovery/v3/discovery_pb.js';
import { typeUrls } from './mesh-resources.ts';

export interface HeldResource {
  readonly version: string;
  readonly bytes: Uint8Array;
  /** Whether a client ought to accept it. */
  readonly valid: boolean;
}

interface Subscription {
  wildcard: boolean;
  names: Set<string>;
  /** Delta: what the client has, by name. SotW: what was sent last. '' stands for "told that there is none". */
  sent: Map<string, string>;
  nonce: string;
  /** SotW: version of the type in the last response. */
  sentVersion: string;
}

export interface Nack {
  readonly typeUrl: string;
  readonly message: string;
}

export class ModelControlPlane {
  readonly resources = new Map<string, Map<string, HeldResource>>(
    Object.values(typeUrls).map((typeUrl) => [typeUrl, new Map()]),
  );
  readonly nacks: Nack[] = [];
  /** Node ids of first messages; '' when a stream began without a node. */
  readonly nodes: string[] = [];
  /** Every request that arrived. */
  readonly requests: Array<DiscoveryRequest | DeltaDiscoveryRequest> = [];
  readonly #delta: boolean;
  readonly #typeVersions = new Map<string, number>();
  #subscriptions = new Map<string, Subscription>();
  #counter = 0;
  #firstOfStream = true;

  constructor(delta: boolean) {
    this.#delta = delta;
  }

  set(typeUrl: string, name: string, bytes: Uint8Array, valid = true): void {
    this.resources.get(typeUrl)!.set(name, { version: `v${++this.#counter}`, bytes, valid });
    this.#touch(typeUrl);
  }

  remove(typeUrl: string, name: string): void {
    if (this.resources.get(typeUrl)!.delete(name)) this.#touch(typeUrl);
  }

  #touch(typeUrl: string): void {
    this.#typeVersions.set(typeUrl, ++this.#counter);
  }

  /** A new stream: subscriptions and nonces of the last one are gone. */
  streamOpened(): void {
    this.#subscriptions = new Map();
    this.#firstOfStream = true;
  }

  names(typeUrl: string): ReadonlySet<string> {
    return this.#subscriptions.get(typeUrl)?.names ?? new Set();
  }

  /** Of a response of this server. */
  typeUrlOf(response: Uint8Array): string {
    return this.#delta
      ? fromBinary(DeltaDiscoveryResponseSchema, response).typeUrl
      : fromBinary(DiscoveryResponseSchema, response).typeUrl;
  }

  /** Takes a request in; what it makes necessary goes out at once. */
  onRequest(bytes: Uint8Array): Uint8Array[] {
    const request = this.#delta
      ? fromBinary(DeltaDiscoveryRequestSchema, bytes)
      : fromBinary(DiscoveryRequestSchema, bytes);
    this.requests.push(request);
    if (this.#firstOfStream) this.nodes.push(request.node?.id ?? '');
    this.#firstOfStream = false;
    if (request.errorDetail !== undefined)
      this.nacks.push({ typeUrl: request.typeUrl, message: request.errorDetail.message });
    return request.$typeName === 'envoy.service.discovery.v3.DiscoveryRequest'
      ? this.#onSotw(request)
      : this.#onDelta(request);
  }

  #subscription(typeUrl: string): { readonly subscription: Subscription; readonly first: boolean } {
    const before = this.#subscriptions.get(typeUrl);
    if (before !== undefined) return { subscription: before, first: false };
    const subscription: Subscription = {
      wildcard: false,
      names: new Set(),
      sent: new Map(),
      nonce: '',
      sentVersion: '',
    };
    this.#subscriptions.set(typeUrl, subscription);
    return { subscription, first: true };
  }

  #onSotw(request: DiscoveryRequest): Uint8Array[] {
    const { subscription, first } = this.#subscription(request.typeUrl);
    if (!first && request.responseNonce !== subscription.nonce) return [];
    const names = new Set(request.resourceNames);
    if (first) subscription.wildcard = names.size === 0;
    const added = [...names].filter((name) => !subscription.names.has(name));
    subscription.names = names;
    if (subscription.wildcard && first && request.versionInfo === this.#version(request.typeUrl))
      subscription.sentVersion = request.versionInfo;
    if (subscription.wildcard) return first ? this.push(request.typeUrl) : [];
    for (const name of added) subscription.sent.delete(name);
    return added.length > 0 ? this.push(request.typeUrl) : [];
  }

  #onDelta(request: DeltaDiscoveryRequest): Uint8Array[] {
    const { subscription, first } = this.#subscription(request.typeUrl);
    if (first) {
      subscription.wildcard = request.resourceNamesSubscribe.length === 0;
      for (const [name, version] of Object.entries(request.initialResourceVersions))
        subscription.sent.set(name, version);
    }
    for (const name of request.resourceNamesUnsubscribe) {
      subscription.names.delete(name);
      subscription.sent.delete(name);
    }
    for (const name of request.resourceNamesSubscribe) {
      subscription.names.add(name);
      // A name that is subscribed to must be answered, also when the client had it once; versions told at the start of a stream count.
      if (!first) subscription.sent.delete(name);
    }
    if (!first && request.resourceNamesSubscribe.length === 0) return [];
    // Asked for everything by a client that has nothing, "there is nothing" is an answer too.
    return this.#pushDelta(
      request.typeUrl,
      subscription,
      first && subscription.wildcard && subscription.sent.size === 0,
    );
  }

  #version(typeUrl: string): string {
    return String(this.#typeVersions.get(typeUrl) ?? 0);
  }

  /** Sends what the client lacks of that type; nothing when it lacks nothing or did not ask. */
  push(typeUrl: string): Uint8Array[] {
    const subscription = this.#subscriptions.get(typeUrl);
    if (subscription === undefined) return [];
    return this.#delta ? this.#pushDelta(typeUrl, subscription, false) : this.#pushSotw(typeUrl, subscription);
  }

  pushAll(): Uint8Array[] {
    return Object.values(typeUrls).flatMap((typeUrl) => this.push(typeUrl));
  }

  #pushSotw(typeUrl: string, subscription: Subscription): Uint8Array[] {
    const held = this.resources.get(typeUrl)!;
    const version = this.#version(typeUrl);
    if (
      subscription.wildcard
        ? subscription.sentVersion === version
        : ![...subscription.names].some(
            (name) => held.has(name) && held.get(name)!.version !== subscription.sent.get(name),
          )
    )
      return [];
    const chosen = [...held].filter(
      ([name, { version: newest }]) =>
        subscription.wildcard || (subscription.names.has(name) && subscription.sent.get(name) !== newest),
    );
    for (const [name, { version: newest }] of chosen) subscription.sent.set(name, newest);
    subscription.sentVersion = version;
    subscription.nonce = `n${++this.#counter}`;
    const response = create(DiscoveryResponseSchema, {
      typeUrl,
      versionInfo: version,
      nonce: subscription.nonce,
      resources: chosen.map(([, { bytes }]) => ({ typeUrl, value: bytes })),
    });
    return [toBinary(DiscoveryResponseSchema, response)];
  }

  #pushDelta(typeUrl: string, subscription: Subscription, always: boolean): Uint8Array[] {
    const held = this.resources.get(typeUrl)!;
    const wanted = (name: string): boolean => subscription.wildcard || subscription.names.has(name);
    const chosen = [...held].filter(([name, { version }]) => wanted(name) && subscription.sent.get(name) !== version);
    const gone = new Set(
      [...subscription.sent].filter(([name, version]) => version !== '' && !held.has(name)).map(([name]) => name),
    );
    for (const name of subscription.names) if (!held.has(name) && subscription.sent.get(name) !== '') gone.add(name);
    if (chosen.length + gone.size === 0 && !always) return [];
    for (const [name, { version }] of chosen) subscription.sent.set(name, version);
    for (const name of gone) {
      if (subscription.names.has(name)) subscription.sent.set(name, '');
      else subscription.sent.delete(name);
    }
    const response = create(DeltaDiscoveryResponseSchema, {
      typeUrl,
      nonce: `n${++this.#counter}`,
      resources: chosen.map(([name, { version, bytes }]) => ({ name, version, resource: { typeUrl, value: bytes } })),
      removedResources: [...gone],
    });
    return [toBinary(DeltaDiscoveryResponseSchema, response)];
  }
}
