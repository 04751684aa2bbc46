/** Registered instances and their leases: who is there, until when, and who wants to know. Pure but for the store; time is injected. */
import { randomUUID } from 'node:crypto';
import type { Instance } from '../../proto/generated/outrigger/registry/v1/registry_pb.js';
import type { RegisteredInstance } from '../model/registered-instance.ts';
import { type HeldLease, HeldLeases } from './held-leases.ts';
import { cloneInstance, type InstanceStore, type StoredLease } from './instance-store.ts';

interface Lease extends StoredLease, HeldLease {}

export interface RegistryOptions {
  readonly store: InstanceStore;
  readonly nowMs: () => number;
  readonly after: (delayMs: number, callback: () => void) => () => void;
  /** Whether who registered with this identity may still be such an instance; asked at each sweep. Default: always. */
  readonly mayBe?: (instance: Instance, identity: string) => boolean;
  /** Told after every change. */
  readonly onChange: () => void;
  /** Told when leases that are over begin to be kept, as nobody is heard of any more, and when that ends. */
  readonly onHeld?: (held: boolean) => void;
}

export interface RegistryWatcher {
  onChange(added: readonly Instance[], removed: readonly Instance[]): void;
}

export const defaultTtlSeconds = 15;
const minTtlSeconds = 5;
const maxTtlSeconds = 300;
const maxInstances = 100_000;
const sweepMs = 1_000;

export class Registry {
  readonly #options: RegistryOptions;
  readonly #leases = new Map<string, Lease>();
  /** Lease by namespace, service and instance id. */
  readonly #byInstance = new Map<string, Lease>();
  /** By their ids, leases whose instance another address has taken over: whoever had one may be gone, or may be a second process with the same name. */
  readonly #displaced = new Map<string, Lease>();
  readonly #watchers = new Set<RegistryWatcher>();
  readonly #held: HeldLeases;
  #sweptMs: number;
  #instances: readonly RegisteredInstance[] | null = null;
  #cancelSweep: () => void;

  constructor(options: RegistryOptions) {
    this.#options = options;
    this.#sweptMs = options.nowMs();
    this.#held = new HeldLeases(this.#sweptMs, options.onHeld ?? (() => {}));
    // Who was there before the restart gets the whole of its time to renew: a restart takes nobody away.
    for (const stored of options.store.load()) this.#put({ ...stored, ...leaseTimes(stored, this.#sweptMs) });
    this.#cancelSweep = options.after(sweepMs, () => this.#sweep());
  }

  /** What the model is built from. The same array until something changes. */
  get instances(): readonly RegisteredInstance[] {
    this.#instances ??= [...this.#byInstance.values()].map(({ instance, identity }) => ({
      namespace: instance.namespace,
      service: instance.service,
      instanceId: instance.instanceId,
      address: instance.address,
      port: instance.port,
      portName: instance.portName,
      ...(instance.byTargetPort ? { byTargetPort: true } : {}),
      labels: instance.labels,
      zone: instance.zone,
      weight: instance.weight === 0 ? 1 : instance.weight,
      healthy: true,
      identity,
    }));
    return this.#instances;
  }

  get messages(): readonly Instance[] {
    return [...this.#byInstance.values()].map((lease) => lease.instance);
  }

  /** Identity of the lease that this instance has now; null: it has no lease. */
  identityOf(instance: Instance): string | null {
    return this.#byInstance.get(instanceKey(instance))?.identity ?? null;
  }

  lease(leaseId: string): StoredLease | null {
    return this.#leases.get(leaseId) ?? null;
  }

  /** `identity`: of who registers, as {@link RegisteredInstance.identity}. Null when there is no room. */
  register(
    instance: Instance,
    ttlSeconds: number,
    identity = '',
  ): { readonly leaseId: string; readonly ttlSeconds: number } | null {
    const key = instanceKey(instance);
    const before = this.#byInstance.get(key);
    if (before === undefined && this.#byInstance.size >= maxInstances) return null;
    if (before !== undefined) {
      this.#leases.delete(before.leaseId);
      if (!samePlace(before.instance, instance) && this.#displaced.size < maxInstances)
        this.#displaced.set(before.leaseId, before);
    }
    const ttl = ttlSeconds === 0 ? defaultTtlSeconds : Math.min(maxTtlSeconds, Math.max(minTtlSeconds, ttlSeconds));
    const now = this.#options.nowMs();
    const stored: StoredLease = {
      leaseId: randomUUID(),
      ttlSeconds: ttl,
      instance: cloneInstance(instance),
      identity,
    };
    const lease: Lease = { ...stored, ...leaseTimes(stored, now) };
    this.#put(lease);
    this.#held.heard(now);
    this.#changed([lease.instance], []);
    return lease;
  }

  /** Seconds until it expires, or null for a lease that is not known. */
  heartbeat(leaseId: string): number | null {
    const lease = this.#leases.get(leaseId);
    if (lease === undefined) return null;
    const now = this.#options.nowMs();
    Object.assign(lease, leaseTimes(lease, now));
    this.#held.heard(now, lease);
    return lease.ttlSeconds;
  }

  /** Who has the name of this lease's instance now, at another address; null: nobody has taken it over. Who asks is alive, and so not the one before. */
  successor(leaseId: string): Instance | null {
    const lease = this.#displaced.get(leaseId);
    if (lease === undefined) return null;
    const holder = this.#byInstance.get(instanceKey(lease.instance));
    if (holder === undefined) {
      this.#displaced.delete(leaseId);
      return null;
    }
    lease.expiresMs = this.#options.nowMs() + lease.ttlSeconds * 1000;
    return holder.instance;
  }

  deregister(leaseId: string): void {
    this.#displaced.delete(leaseId);
    const lease = this.#leases.get(leaseId);
    if (lease === undefined) return;
    this.#drop(lease);
    this.#changed([], [lease.instance]);
  }

  watch(watcher: RegistryWatcher): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  close(): void {
    this.#cancelSweep();
    this.#options.store.flush();
  }

  #put(lease: Lease): void {
    this.#leases.set(lease.leaseId, lease);
    this.#byInstance.set(instanceKey(lease.instance), lease);
    this.#instances = null;
  }

  #drop(lease: Lease): void {
    this.#held.forget(lease);
    this.#leases.delete(lease.leaseId);
    this.#byInstance.delete(instanceKey(lease.instance));
    this.#instances = null;
  }

  #sweep(): void {
    const now = this.#options.nowMs();
    const leases = [...this.#leases.values()];
    // Time in which this process stood still is nobody's.
    const stoodMs = now - this.#sweptMs - sweepMs;
    if (stoodMs > sweepMs)
      for (const lease of leases) lease.expiresMs = Math.min(lease.expiresMs + stoodMs, now + lease.ttlSeconds * 1000);
    this.#sweptMs = now;
    const { mayBe = () => true } = this.#options;
    const over = leases.filter(({ expiresMs }) => expiresMs <= now);
    const held = over.length === 0 ? none : this.#held.hold(over, leases, now);
    const expired = leases.filter(
      (lease) =>
        (lease.expiresMs <= now && !held.has(lease)) ||
        (lease.identity !== '' && !mayBe(lease.instance, lease.identity)),
    );
    for (const lease of expired) this.#drop(lease);
    for (const [leaseId, { expiresMs }] of this.#displaced) if (expiresMs <= now) this.#displaced.delete(leaseId);
    if (expired.length > 0)
      this.#changed(
        [],
        expired.map((lease) => lease.instance),
      );
    this.#cancelSweep = this.#options.after(sweepMs, () => this.#sweep());
  }

  #changed(added: readonly Instance[], removed: readonly Instance[]): void {
    this.#options.store.save(() => [...this.#leases.values()]);
    for (const watcher of this.#watchers) watcher.onChange(added, removed);
    this.#options.onChange();
  }
}

const none: ReadonlySet<HeldLease> = new Set();

/** Of a lease that is made, renewed or read from the store now. */
function leaseTimes({ ttlSeconds }: StoredLease, nowMs: number): Omit<HeldLease, 'ttlSeconds'> {
  return { renewedMs: nowMs, expiresMs: nowMs + ttlSeconds * 1000, reprieved: false };
}

function instanceKey(instance: Instance): string {
  return `${instance.namespace}/${instance.service}/${instance.instanceId}`;
}

function samePlace(one: Instance, other: Instance): boolean {
  return one.address === other.address && one.port === other.port;
}
