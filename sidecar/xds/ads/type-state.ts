/**
 * What the client holds of one resource type: accepted resources, names asked for, versions, and why the last response was refused. Pure: no streams, no clock of its own.
 */
import type { Configured } from '../../config/configuration.ts';
import type { AdsResponse } from './ads-message.ts';
import type { ResourceType } from './resource-type.ts';

/** The last update of a resource that was refused, for /config_dump and CSDS. */
export interface RefusedUpdate {
  readonly version: string;
  readonly details: string;
  readonly atWallMs: number;
}

/** A resource of a response, read. */
interface Received {
  readonly name: string;
  readonly ok: boolean;
  readonly value: unknown;
  readonly faults: readonly string[];
  readonly version: string;
  readonly bytes: Uint8Array;
}

const wrappedResource = 'type.googleapis.com/envoy.service.discovery.v3.Resource';
const ttlFault =
  'ttl (a resource that ends by itself) is not supported, and this client does not say that it is; see docs/xds-support.md';

/** A name that is not wanted any more, and what is held under it: null: nothing came. */
interface GivenUp {
  readonly atMs: number;
  resource: Configured<unknown> | null;
}

/** Longer than anything is under way on a stream that is alive. */
const keepGivenUpMs = 120_000;

export class TypeState {
  readonly type: ResourceType;
  readonly resources = new Map<string, Configured<unknown>>();
  readonly refused = new Map<string, RefusedUpdate>();
  /** Names wanted; unused by wildcard types. */
  wanted: ReadonlySet<string> = new Set();
  /** Names as last told on this stream. */
  told: ReadonlySet<string> = new Set();
  /** A request of this type went out on this stream. */
  asked = false;
  /** A response of this type has come, ever. */
  answered = false;
  /** Last accepted version (SotW). */
  version = '';
  nonce = '';
  /** When each name was asked for on this stream; of a wildcard type, the type under '*'. What was not asked for cannot be missing (gRFC A57). */
  readonly askedAtMs = new Map<string, number>();
  /** Names that the server said do not exist, or that did not come in time: waiting for them is over. */
  readonly absent = new Set<string>();

  #lastRefused = false;
  readonly #keepsGivenUp: boolean;
  /**
   * State of the world: a request that gives a name up is not heeded by the server while a response is under way that it crosses (its nonce is an old one by then). When the name is wanted again before the next request,
   * nothing is new for the server, and it sends nothing: so what was held goes on, with what the server tells of it meanwhile.
   */
  readonly #givenUp = new Map<string, GivenUp>();

  /** `keepsGivenUp`: for state of the world. By delta each name that is asked for is answered, and each request heeded. */
  constructor(type: ResourceType, keepsGivenUp = false) {
    this.type = type;
    this.#keepsGivenUp = keepsGivenUp;
  }

  /**
   * A new stream: nonces do not survive it (xds.md C1.4). After a refusal, part of which was taken (A46), what is held is no version of the server's:
   * telling the last accepted one could keep it from sending.
   */
  streamOpened(): void {
    if (this.#lastRefused) this.version = '';
    this.asked = false;
    this.nonce = '';
    this.told = new Set();
    this.#givenUp.clear();
  }

  streamEnded(): void {
    this.askedAtMs.clear();
  }

  /** A request goes out that asks for these. */
  ask(names: ReadonlySet<string>, nowMs: number): void {
    if (this.type.wildcard) {
      if (!this.asked) this.askedAtMs.set('*', nowMs);
    } else for (const name of names) if (!this.told.has(name)) this.askedAtMs.set(name, nowMs);
    this.asked = true;
    this.told = names;
  }

  /** What was asked for and is still waited for, with the time when it was. */
  *waiting(): Iterable<readonly [name: string, sinceMs: number]> {
    for (const [name, sinceMs] of this.askedAtMs) {
      const over = this.type.wildcard ? this.answered : !this.wanted.has(name) || this.settled(name);
      if (over) this.askedAtMs.delete(name);
      else yield [name, sinceMs];
    }
  }

  /** It had its time: the rest goes on without it. */
  giveUp(name: string): void {
    if (this.type.wildcard) this.answered = true;
    else this.absent.add(name);
  }

  /**
   * Takes a response in; gives the text of the NACK, or '' for an ACK. Valid resources of a refused response are taken (A46); refused ones keep what was before, and so
   * do those that stand in it twice: which one was meant cannot be known.
   */
  take(response: AdsResponse, fullState: boolean, nowWallMs: number): string {
    this.answered = true;
    this.nonce = response.nonce;
    const faults: string[] = [];
    const seen = new Map<string, Received>();
    const twice = new Set<string>();
    // Which one a resource is that cannot be read is not known: then none is taken for removed.
    let unnamed = false;
    for (const resource of response.resources) {
      const received = this.#read(resource);
      const { name } = received;
      unnamed ||= name === '';
      if (name !== '' && seen.has(name)) twice.add(name);
      if (name === '') faults.push(received.faults.join('; '));
      else seen.set(name, received);
    }
    for (const name of response.removed) if (seen.has(name)) twice.add(name);
    for (const [name, { ok, value, faults: found, version, bytes }] of seen) {
      if (!this.type.wildcard && !this.wanted.has(name)) {
        // What was not asked for is ignored (xds.md C1.10).
        const givenUp = this.#givenUp.get(name);
        if (givenUp !== undefined && ok && !twice.has(name))
          givenUp.resource = next(givenUp.resource, value, version, bytes, nowWallMs);
        continue;
      }
      if (ok && !twice.has(name)) {
        this.#accept(name, value, version, bytes, nowWallMs);
        continue;
      }
      const details = twice.has(name) ? 'is there twice; names are unique in a response' : found.join('; ');
      this.refused.set(name, { version, details, atWallMs: nowWallMs });
      faults.push(`${this.type.label} ${JSON.stringify(name)}${twice.has(name) ? ' ' : ': '}${details}`);
    }
    for (const name of response.removed) if (!twice.has(name)) this.#remove(name);
    if (fullState && !unnamed)
      for (const name of new Set([...this.resources.keys(), ...this.refused.keys()]))
        if (!seen.has(name)) this.#remove(name);
    this.#lastRefused = faults.length > 0;
    if (!this.#lastRefused) this.version = response.version;
    return faults.join('\n');
  }

  /** `name` is '' when it cannot be known; then the faults name the type. */
  #read(resource: AdsResponse['resources'][number]): Received {
    const { version, bytes, typeUrl } = resource;
    const refuse = (name: string, faults: readonly string[]): Received => ({
      name,
      ok: false,
      value: null,
      faults,
      version,
      bytes,
    });
    // Before the type: a resource that only prolongs its life has no body.
    if (resource.ttl) return refuse(resource.name, [ttlFault]);
    if (typeUrl !== this.type.typeUrl)
      return refuse(resource.name, [
        typeUrl === wrappedResource
          ? ttlFault
          : `${typeUrl === '' ? 'an empty resource' : typeUrl} stands among ${this.type.typeUrl}`,
      ]);
    const decoded = this.type.decode(bytes);
    const name = resource.name === '' ? decoded.name : resource.name;
    if (!decoded.ok)
      return refuse(name, name === '' ? [`${this.type.label} "": ${decoded.faults.join('; ')}`] : decoded.faults);
    if (name !== decoded.name)
      return refuse(name, [
        `resource ${JSON.stringify(name)} holds ${this.type.label} ${JSON.stringify(decoded.name)}`,
      ]);
    return { name, ok: true, value: decoded.value, faults: [], version, bytes };
  }

  #accept(name: string, value: unknown, version: string, raw: Uint8Array, updatedWallMs: number): void {
    this.absent.delete(name);
    this.refused.delete(name);
    this.resources.set(name, next(this.resources.get(name) ?? null, value, version, raw, updatedWallMs));
  }

  /**
   * Clusters and listeners go when the server says so. Endpoints and routes go with what refers to them: as long as something does, what is held goes on (gRFC A88; Envoy ignores such removals), and only
   * a name that was never held is absent.
   */
  #remove(name: string): void {
    this.refused.delete(name);
    const wanted = this.wanted.has(name);
    if (wanted && this.resources.has(name)) return;
    this.resources.delete(name);
    if (wanted) this.absent.add(name);
  }

  /** Drops what is not wanted any more: deletion is implied when the parent stops referring (xds.md C1.6). */
  want(names: ReadonlySet<string>, nowMs: number): void {
    if (this.#keepsGivenUp) this.#keepGivenUp(names, nowMs);
    this.wanted = names;
    for (const name of [...this.resources.keys()]) if (!names.has(name)) this.resources.delete(name);
    for (const name of [...this.refused.keys()]) if (!names.has(name)) this.refused.delete(name);
    for (const name of [...this.absent]) if (!names.has(name)) this.absent.delete(name);
  }

  /** Before `wanted` becomes `names`. */
  #keepGivenUp(names: ReadonlySet<string>, nowMs: number): void {
    // Those that were given up first stand first.
    for (const [name, { atMs }] of this.#givenUp) {
      if (nowMs - atMs < keepGivenUpMs) break;
      this.#givenUp.delete(name);
    }
    for (const name of this.wanted)
      if (!names.has(name)) this.#givenUp.set(name, { atMs: nowMs, resource: this.resources.get(name) ?? null });
    for (const name of names) {
      const resource = this.#givenUp.get(name)?.resource ?? null;
      this.#givenUp.delete(name);
      if (resource !== null) this.resources.set(name, resource);
    }
  }

  /** Waiting for that name is over: it is here, or will not come. */
  settled(name: string): boolean {
    return this.resources.has(name) || this.absent.has(name);
  }
}

/** Unchanged bytes give the same object, so that pools and listeners behind it go on. */
function next(
  before: Configured<unknown> | null,
  value: unknown,
  version: string,
  raw: Uint8Array,
  updatedWallMs: number,
): Configured<unknown> {
  const same = before !== null && Buffer.compare(before.raw, raw) === 0;
  if (same && before.version === version) return before;
  return {
    value: same ? before.value : value,
    version,
    origin: 'dynamic',
    updatedWallMs: same ? before.updatedWallMs : updatedWallMs,
    raw,
  };
}
