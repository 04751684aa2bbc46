/**
 * Of several control planes one writes: who holds the Lease (coordination.k8s.io/v1). As Kubernetes' own controllers do it, so that `kubectl get lease` tells who it is.
 *
 *   following ──free, or not renewed for 15 s of our own clock──▶ takes it ──▶ leading
 *       ▲                                                                    │ renewed every 2 s, give or take
 *       └── somebody else has it, or no renewal has worked for 10 s ─────────┘
 *
 * The times in the Lease are never compared with our clock: clocks of machines differ. Two that take it at once carry the same resourceVersion, so the API server lets one of them.
 */

import type { Call } from './api-client.ts';
import { ApiFault } from './api-fault.ts';
import { field, textOf } from './object-fields.ts';

export interface LeaderElectionOptions {
  readonly call: (call: Call) => Promise<unknown>;
  readonly namespace: string;
  readonly name: string;
  /** Unique to this process. */
  readonly holder: string;
  readonly after: (delayMs: number, callback: () => void) => () => void;
  /** Milliseconds that only ever grow. */
  readonly nowMs: () => number;
  readonly wallMs: () => number;
  readonly random: () => number;
  readonly onChange: (leading: boolean) => void;
  /** What keeps us from asking, each time. */
  readonly onFault: (fault: unknown) => void;
}

const leaseMs = 15_000;
/** Sooner than the Lease is free for others. */
const renewDeadlineMs = 10_000;
const retryMs = 2_000;

export class LeaderElection {
  readonly #options: LeaderElectionOptions;
  readonly #path: string;
  #leading = false;
  /** When the last renewal that worked was begun. */
  #renewedMs = 0;
  /** What the Lease of somebody else looked like, and since when. */
  #seen = '';
  #seenMs = 0;
  #cancel: (() => void) | null = null;
  /** Of a leader: at its deadline. */
  #cancelDeadline: (() => void) | null = null;
  #closed = false;

  constructor(options: LeaderElectionOptions) {
    this.#options = options;
    this.#path = `/apis/coordination.k8s.io/v1/namespaces/${options.namespace}/leases`;
  }

  get leading(): boolean {
    return this.#leading;
  }

  start(): void {
    void this.#turn();
  }

  close(): void {
    this.#closed = true;
    this.#cancel?.();
    this.#cancelDeadline?.();
  }

  /** Closes, and lets the next one take it at once. Never rejects. */
  async release(): Promise<void> {
    this.close();
    if (!this.#leading) return;
    this.#lead(false);
    try {
      const lease = await this.#get();
      if (textOf(field(field(lease, 'spec'), 'holderIdentity')) === this.#options.holder)
        await this.#put(lease, { holderIdentity: '', leaseDurationSeconds: 1 });
    } catch {
      // It is free after its time.
    }
  }

  async #turn(): Promise<void> {
    const { nowMs, random, after, onFault } = this.#options;
    const startedMs = nowMs();
    try {
      // What took too long says nothing of now.
      if ((await this.#acquire(startedMs)) && nowMs() - startedMs < renewDeadlineMs) {
        this.#renewedMs = startedMs;
        this.#lead(true);
        this.#watchDeadline();
      } else this.#lead(false);
    } catch (error) {
      if (this.#closed) return;
      // Somebody was quicker: seen at the next look.
      if (!(error instanceof ApiFault && error.status === 409)) onFault(error);
    }
    if (this.#closed) return;
    this.#cancel = after(retryMs * (1 + random() * 0.2), () => void this.#turn());
  }

  /** By a timer of its own: a call that hangs must not keep one leading whom others have followed. */
  #watchDeadline(): void {
    const { nowMs, after } = this.#options;
    this.#cancelDeadline?.();
    if (this.#closed) return;
    this.#cancelDeadline = after(Math.max(0, this.#renewedMs + renewDeadlineMs - nowMs()), () => {
      if (nowMs() - this.#renewedMs >= renewDeadlineMs) this.#lead(false);
      else this.#watchDeadline();
    });
  }

  async #acquire(nowMs: number): Promise<boolean> {
    const { holder } = this.#options;
    const lease = await this.#get();
    if (this.#closed) return false;
    if (lease === null) {
      await this.#options.call({
        method: 'POST',
        path: this.#path,
        body: { ...this.#object(null), spec: this.#spec({ acquireTime: this.#now(), leaseTransitions: 0 }) },
      });
      return true;
    }
    const spec = field(lease, 'spec');
    const other = textOf(field(spec, 'holderIdentity'));
    const version = textOf(field(field(lease, 'metadata'), 'resourceVersion'));
    if (other !== holder && other !== '') {
      if (version !== this.#seen) {
        this.#seen = version;
        this.#seenMs = nowMs;
      }
      const seconds = Number(field(spec, 'leaseDurationSeconds'));
      if (nowMs - this.#seenMs < (seconds > 0 && seconds <= 3600 ? seconds * 1000 : leaseMs)) return false;
    }
    const transitions = Number(field(spec, 'leaseTransitions')) || 0;
    await this.#put(
      lease,
      other === holder
        ? this.#spec({ acquireTime: field(spec, 'acquireTime') ?? this.#now(), leaseTransitions: transitions })
        : this.#spec({ acquireTime: this.#now(), leaseTransitions: transitions + 1 }),
    );
    return true;
  }

  async #get(): Promise<unknown> {
    try {
      return await this.#options.call({ method: 'GET', path: `${this.#path}/${this.#options.name}` });
    } catch (error) {
      if (error instanceof ApiFault && error.status === 404) return null;
      throw error;
    }
  }

  #put(lease: unknown, spec: object): Promise<unknown> {
    const version = textOf(field(field(lease, 'metadata'), 'resourceVersion'));
    const path = `${this.#path}/${this.#options.name}`;
    return this.#options.call({ method: 'PUT', path, body: { ...this.#object(version), spec } });
  }

  #object(resourceVersion: string | null): object {
    const { namespace, name } = this.#options;
    const metadata = { namespace, name, ...(resourceVersion === null ? {} : { resourceVersion }) };
    return { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata };
  }

  #spec(more: object): object {
    return {
      holderIdentity: this.#options.holder,
      leaseDurationSeconds: leaseMs / 1000,
      renewTime: this.#now(),
      ...more,
    };
  }

  /** As Kubernetes' MicroTime. */
  #now(): string {
    return new Date(this.#options.wallMs()).toISOString().replace('Z', '000Z');
  }

  #lead(leading: boolean): void {
    if (this.#leading === leading) return;
    this.#leading = leading;
    this.#options.onChange(leading);
  }
}
