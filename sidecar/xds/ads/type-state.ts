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
  /** Names that the server said do not exist, or that did not come in time: waiting for them is over. */
  readonly absent = new Set<string>();

  #lastRefused = false;

  constructor(type: ResourceType) {
    this.type = type;
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
  }

  /** Takes a response in; gives the text of the NACK, or '' for an ACK. Valid resources of a refused response are taken (A46); refused ones keep what was before. */
  take(response: AdsResponse, fullState: boolean, nowWallMs: number): string {
    this.answered = true;
    this.nonce = response.nonce;
    const faults: string[] = [];
    const seen = new Set<string>();
    // Which one a resource is that cannot be read is not known: then none is taken for removed.
    let unnamed = false;
    for (const resource of response.resources) {
      if (resource.typeUrl !== this.type.typeUrl) {
        faults.push(`${resource.typeUrl || 'an empty resource'} stands among ${this.type.typeUrl}`);
        unnamed ||= resource.name === '';
        continue;
      }
      const decoded = this.#decode(resource.bytes);
      const name = resource.name || decoded.name;
      if (name === '') unnamed = true;
      else if (seen.has(name)) {
        faults.push(`${this.type.label} ${JSON.stringify(name)} is there twice`);
        continue;
      }
      seen.add(name);
      if (decoded.ok && resource.name !== '' && resource.name !== decoded.name) {
        faults.push(
          `resource ${JSON.stringify(resource.name)} holds ${this.type.label} ${JSON.stringify(decoded.name)}`,
        );
        continue;
      }
      // What was not asked for is ignored (xds.md C1.10).
      if (!this.type.wildcard && !this.wanted.has(name)) continue;
      if (decoded.ok) this.#accept(name, decoded.value, resource.version, resource.bytes, nowWallMs);
      else {
        const details = decoded.faults.join('; ');
        this.refused.set(name, { version: resource.version, details, atWallMs: nowWallMs });
        faults.push(`${this.type.label} ${JSON.stringify(name)}: ${details}`);
      }
    }
    for (const name of response.removed) this.#remove(name);
    if (fullState && !unnamed) for (const name of [...this.resources.keys()]) if (!seen.has(name)) this.#remove(name);
    this.#lastRefused = faults.length > 0;
    if (!this.#lastRefused) this.version = response.version;
    return faults.join('\n');
  }

  /** Unchanged bytes give the same object, so that pools and listeners behind it go on. */
  #decode(bytes: Uint8Array): ReturnType<ResourceType['decode']> {
    return this.type.decode(bytes);
  }

  #accept(name: string, value: unknown, version: string, raw: Uint8Array, updatedWallMs: number): void {
    this.absent.delete(name);
    this.refused.delete(name);
    const before = this.resources.get(name);
    const same = before !== undefined && Buffer.compare(before.raw, raw) === 0;
    if (same && before.version === version) return;
    this.resources.set(name, {
      value: same ? before.value : value,
      version,
      origin: 'dynamic',
      updatedWallMs: same ? before.updatedWallMs : updatedWallMs,
      raw,
    });
  }

  #remove(name: string): void {
    this.resources.delete(name);
    this.refused.delete(name);
    if (this.wanted.has(name)) this.absent.add(name);
  }

  /** Drops what is not wanted any more: deletion is implied when the parent stops referring (xds.md C1.6). */
  want(names: ReadonlySet<string>): void {
    this.wanted = names;
    for (const name of [...this.resources.keys()]) if (!names.has(name)) this.resources.delete(name);
    for (const name of [...this.refused.keys()]) if (!names.has(name)) this.refused.delete(name);
    for (const name of [...this.absent]) if (!names.has(name)) this.absent.delete(name);
  }

  /** Waiting for that name is over: it is here, or will not come. */
  settled(name: string): boolean {
    return this.resources.has(name) || this.absent.has(name);
  }
}
