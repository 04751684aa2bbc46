/**
 * All listeners by name. Takes over configurations: binds what is new, puts changed listeners behind the sockets that are there, drains what is gone. A socket is
 * never closed and bound again for an update, so no connection is refused. Knows no HTTP; see running-listener.ts.
 */
import type { Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { ProxyError } from '../codec/proxy-error.ts';
import type { Configuration, Configured } from '../config/configuration.ts';
import type { ListenerConfig, SocketAddress } from '../config/listener-config.ts';
import type { StatStore } from '../stats/stat-store.ts';
import { systemSocketsFault } from '../transport/system-sockets.ts';
import { addressText, type BindFault, BoundSocket, configurationFault } from './bound-socket.ts';
import { Crowding } from './crowding.ts';
import { ListenerManagerStats, ListenerStats } from './listener-stats.ts';
import type { ListenerStatus } from './listener-status.ts';
import { RetiredChains } from './retired-chains.ts';
import {
  type ConnectionManager,
  type CreateConnectionManager,
  RunningListener,
  type RunningListenerContext,
} from './running-listener.ts';

/** Listeners that take no connections for filter chains; dns/dns-listeners.ts. */
export interface OtherListeners {
  /** Makes them those; what cannot be bound is told. Called once at a time. */
  apply(listeners: ReadonlyMap<string, Configured<ListenerConfig>>): Promise<readonly BindFault[]>;
  dump(): readonly ListenerStatus[];
  boundPort(name: string): number | undefined;
  listenerAt(address: SocketAddress): string | null;
  closeAll(): Promise<void>;
}

export interface ListenerManagerOptions {
  /** Makes what serves a filter chain: `(chain, listener) => new HttpConnectionManager(chain.httpConnectionManager, …)`. */
  readonly createConnectionManager: CreateConnectionManager;
  /** Loads the code that a configuration needs first; null: it is all there. Default: nothing is loaded. */
  readonly prepare?: (configuration: Configuration) => Promise<unknown> | null;
  /** Those that answer DNS; null: their code is not loaded, as no configuration has one. Default: there are none. */
  readonly others?: () => OtherListeners | null;
  /** Several event loops listen on the same addresses. Default false. */
  readonly reusePort?: boolean;
  /** Default 4096; the kernel's `somaxconn` bounds it. */
  readonly backlog?: number;
  /** How long connections of changed and removed listeners may go on. Default 600 s (Envoy's `--drain-time-s`). */
  readonly drainTimeMs?: number;
  /** Closes idle connections when there are too many. Default: never. */
  readonly crowding?: Crowding;
}

/** What the manager needs of HttpContext. */
export interface ListenerManagerContext extends RunningListenerContext {
  readonly stats: StatStore;
}

/** One listener with its socket. */
interface Place {
  readonly bound: BoundSocket;
  readonly sockets: Set<Socket>;
  running: RunningListener;
}

export class ListenerManager {
  readonly #context: ListenerManagerContext;
  readonly #options: Required<ListenerManagerOptions>;
  readonly #stats: ListenerManagerStats;
  readonly #retired: RetiredChains;
  readonly #places = new Map<string, Place>();
  /** Sockets that accept no more and whose connections are not all gone. */
  readonly #closing = new Set<Place>();
  readonly #origins = new Map<string, 'static' | 'dynamic'>();
  /** The last apply; they run one after the other. */
  #applying: Promise<unknown> = Promise.resolve();
  /** What was told to drain: listeners of that direction that come later drain too. */
  readonly #draining = new Set<ListenerConfig['direction'] | 'all'>();
  #closed = false;

  constructor(context: ListenerManagerContext, options: ListenerManagerOptions) {
    this.#context = { ...context, listenerAt: (address) => this.listenerAt(address) };
    const crowding = new Crowding(context.clock, null, () => Infinity);
    this.#options = {
      reusePort: false,
      backlog: 4096,
      drainTimeMs: 600_000,
      crowding,
      prepare: () => null,
      others: () => null,
      ...options,
    };
    this.#stats = new ListenerManagerStats(context.stats);
    this.#retired = new RetiredChains(context.clock, context.wheel, this.#options.drainTimeMs, this.#stats.draining);
  }

  /**
   * Makes the listeners those of `configuration`. Resolves when every socket is bound or has failed; a listener that could not be bound is reported, its
   * predecessor of the same name goes on, and the next apply tries again. Never rejects.
   */
  apply(configuration: Configuration): Promise<BindFault[]> {
    const before = this.#applying;
    const done = (async (): Promise<BindFault[]> => {
      await before;
      return this.#apply(configuration);
    })();
    this.#applying = done;
    return done;
  }

  get activeConnections(): number {
    let count = 0;
    for (const { sockets } of [...this.#places.values(), ...this.#closing]) count += sockets.size;
    return count;
  }

  get activeStreams(): number {
    let count = 0;
    for (const manager of this.#managers()) count += manager.activeStreams;
    return count;
  }

  get unfinishedConnections(): number {
    let count = 0;
    for (const manager of this.#managers()) count += manager.unfinishedConnections;
    return count;
  }

  /** The same, without outbound listeners; what is left of listeners that are gone counts. */
  get unfinishedInbound(): number {
    let count = 0;
    for (const { running } of this.#places.values())
      if (running.config.direction !== 'outbound')
        for (const { manager } of running.chains.values()) count += manager.unfinishedConnections;
    for (const manager of this.#retired.managers) count += manager.unfinishedConnections;
    return count;
  }

  /** Connections that listeners other than outbound ones have taken so far. */
  get acceptedInbound(): number {
    let count = 0;
    for (const { running } of this.#places.values())
      if (running.config.direction !== 'outbound') count += running.stats.connections.value;
    return count;
  }

  *#managers(): Iterable<ConnectionManager> {
    for (const { running } of this.#places.values()) for (const { manager } of running.chains.values()) yield manager;
    yield* this.#retired.managers;
  }

  /** The listener that is on an address of this machine; null: none is. */
  listenerAt({ host, port }: SocketAddress): string | null {
    for (const [name, { bound }] of this.#places) {
      const { ports, addresses } = bound;
      for (const [i, own] of ports.entries()) if (own === port && isOn(addresses[i]!.host, host)) return name;
    }
    return this.#options.others()?.listenerAt({ host, port }) ?? null;
  }

  /** The port that a listener is bound to; for port 0, and for tests. */
  boundPort(name: string): number | undefined {
    return this.#places.get(name)?.bound.port ?? this.#options.others()?.boundPort(name);
  }

  /**
   * Connections end after their next answer (`connection: close`, GOAWAY). Listeners go on accepting, as under Envoy's `/drain_listeners?graceful`: who did not
   * hear of it yet is served rather than refused. `direction`: only listeners of that direction (Envoy's `?inboundonly`).
   */
  drain(direction: ListenerConfig['direction'] | 'all' = 'all'): void {
    this.#draining.add(direction);
    for (const { running } of this.#places.values())
      if (direction === 'all' || running.config.direction === direction) running.drain();
  }

  /** No connection is accepted any more; those that are there go on. Resolves when the last is gone. */
  async stopAccepting(direction: ListenerConfig['direction'] | 'all' = 'all'): Promise<void> {
    const closed: Array<Promise<void>> = [];
    for (const { bound, running } of this.#places.values())
      if (direction === 'all' || running.config.direction === direction) closed.push(bound.close());
    for (const { bound } of this.#closing) closed.push(bound.close());
    await Promise.all(closed);
  }

  /** Ends everything now. Resolves when all sockets are closed. */
  async closeAll(why: ProxyError = shuttingDown): Promise<void> {
    this.#closed = true;
    await this.#applying;
    const places = [...this.#places.values(), ...this.#closing];
    const closed = places.map(({ bound }) => bound.close());
    for (const { running, sockets } of places) {
      for (const { manager } of running.chains.values()) manager.destroyAll(why);
      // Those still in a handshake, or whose first bytes did not come.
      for (const socket of sockets) socket.destroy();
    }
    this.#retired.destroyAll(why);
    await Promise.all([...closed, this.#options.others()?.closeAll()]);
    this.#places.clear();
    this.#stats.active.value = 0;
  }

  /** What `/listeners` shows; see listener-status.ts. */
  dump(): ListenerStatus[] {
    const streams = [...this.#places].map(([name, { bound, running, sockets }]) => ({
      name,
      host: bound.address.host,
      port: bound.port,
      additional: bound.addresses.slice(1).map(({ host }, i) => ({ host, port: bound.ports[i + 1]! })),
      addedViaApi: this.#origins.get(name) === 'dynamic',
      activeConnections: sockets.size,
      activeStreams: [...running.chains.values()].reduce((sum, { manager }) => sum + manager.activeStreams, 0),
      draining: this.#drains(running),
      filterChains: [...running.chains.keys()].map((chain) => chain.name),
    }));
    return [...streams, ...(this.#options.others()?.dump() ?? [])];
  }

  async #apply(configuration: Configuration): Promise<BindFault[]> {
    const preparing = this.#options.prepare(configuration);
    if (preparing !== null) await preparing;
    if (this.#closed) return [];
    const listeners = new Map([...configuration.listeners].filter(([, { value }]) => value.dns === undefined));
    // Before a connection is made that could come back.
    for (const { value } of configuration.listeners.values())
      if (value.originalDestination === true) this.#context.ownConnections?.watch();
    const before = new Map(this.#places);
    // Sockets whose listener is gone or moves away: free to serve another listener on the same address.
    const free = new Map<string, Place>();
    for (const [name, place] of before) {
      const next = listeners.get(name)?.value;
      if (next === undefined || !sameAddress(next, place.running.config))
        free.set(placeKey(place.running.config), place);
    }
    const faults: BindFault[] = [];
    const binding: Array<Promise<void>> = [];
    for (const [name, { value, origin }] of listeners) {
      this.#origins.set(name, origin);
      const place = before.get(name);
      if (place?.running.config === value) continue;
      const key = placeKey(value);
      const there =
        place !== undefined && sameAddress(value, place.running.config)
          ? place
          : addressesOf(value).some(({ port }) => port === 0)
            ? undefined
            : free.get(key);
      const sockets = there?.sockets ?? new Set<Socket>();
      const running = this.#run(value, there?.running ?? null, sockets, faults);
      if (running === null) continue;
      if (there === undefined) binding.push(this.#bind(name, running, sockets, faults));
      else {
        free.delete(key);
        this.#replace(name, there, running);
      }
    }
    await Promise.all(binding);
    for (const [name, place] of before) {
      const now = this.#places.get(name);
      const wanted = listeners.has(name);
      if (!wanted) {
        if (now === place) this.#places.delete(name);
        this.#origins.delete(name);
        this.#stats.removed.value++;
      }
      // Its socket was taken over by another listener, or it could not be replaced and goes on.
      if (isServed(this.#places, place)) continue;
      this.#retire(place);
    }
    const others = this.#options.others();
    if (others !== null) {
      const rest = new Map([...configuration.listeners].filter(([, { value }]) => value.dns !== undefined));
      faults.push(...(await others.apply(rest)));
    }
    this.#stats.active.value = this.#places.size;
    return faults;
  }

  async #bind(name: string, running: RunningListener, sockets: Set<Socket>, faults: BindFault[]): Promise<void> {
    const { reusePort, backlog } = this.#options;
    const { transparent = false, freebind = false } = running.config;
    const bound = await BoundSocket.bind(name, addressesOf(running.config), running, {
      ...{ reusePort, backlog, transparent, freebind },
      onConnection: this.#onConnection,
    });
    if (!(bound instanceof BoundSocket)) {
      this.#stats.failed.value++;
      faults.push(bound);
      return;
    }
    this.#stats.created.value++;
    if (this.#places.has(name)) this.#stats.modified.value++;
    else this.#stats.added.value++;
    this.#places.set(name, { bound, sockets, running });
    if (this.#drains(running)) running.drain();
  }

  #drains({ config }: RunningListener): boolean {
    return this.#draining.has('all') || this.#draining.has(config.direction);
  }

  readonly #onConnection = (): void => {
    const { crowding } = this.#options;
    // This one is not counted yet.
    if (this.activeConnections < crowding.mostConnections) return;
    const idle = [...this.#managers()].flatMap((manager) => manager.idleConnections());
    this.#stats.idleClosed.value += crowding.makeRoom(idle);
  };

  /** Puts `running` behind a socket that is there. */
  #replace(name: string, place: Place, running: RunningListener): void {
    const old = place.running;
    this.#stats[old.config.name === name ? 'modified' : 'added'].value++;
    if (old.config.name === name) this.#stats.updatedInPlace.value++;
    if (old.config.name !== name && this.#places.get(old.config.name) === place) this.#places.delete(old.config.name);
    place.running = running;
    place.bound.taker = running;
    this.#places.set(name, place);
    if (this.#drains(running)) running.drain();
    const kept = new Set(running.chains.values());
    for (const [chain, each] of old.chains) {
      if (kept.has(each)) continue;
      const { manager } = each;
      const next = running.successorOf(chain);
      // A policy that changed must not be passed by one more request on each connection that is there.
      if (next !== null) manager.succeededBy(next.manager);
      this.#retired.add(manager);
    }
  }

  /** Null: it cannot be made (TLS that does not load; the decoders refuse that, so only what they overlooked comes here). */
  #run(
    config: ListenerConfig,
    before: RunningListener | null,
    sockets: Set<Socket>,
    faults: BindFault[],
  ): RunningListener | null {
    const { stats } = this.#context;
    try {
      checkSystem(config);
      return new RunningListener(
        config,
        before,
        this.#options.createConnectionManager,
        before?.stats ?? new ListenerStats(stats, config.address),
        this.#context,
        sockets,
      );
    } catch (error) {
      this.#stats.failed.value++;
      const address = addressText(config.address);
      faults.push({
        listener: config.name,
        address,
        code: configurationFault,
        why: (error as Error).message,
        message: `listener ${JSON.stringify(config.name)} on ${address} cannot be made: ${(error as Error).message}`,
      });
      return null;
    }
  }

  /** Stops accepting; connections drain. */
  #retire(place: Place): void {
    this.#closing.add(place);
    for (const { manager } of place.running.chains.values()) this.#retired.add(manager);
    void this.#forgetWhenClosed(place);
  }

  async #forgetWhenClosed(place: Place): Promise<void> {
    await place.bound.close();
    this.#closing.delete(place);
    const { prefix } = place.running.stats;
    // Unless a listener is on that address again.
    for (const { running } of this.#places.values()) if (running.stats.prefix === prefix) return;
    this.#context.stats.removePrefix(prefix);
  }
}

function addressesOf({ address, additionalAddresses = [] }: ListenerConfig): readonly SocketAddress[] {
  return [address, ...additionalAddresses];
}

/** What cannot be changed of sockets that are bound. */
function placeKey(config: ListenerConfig): string {
  const { transparent = false, freebind = false } = config;
  return [...addressesOf(config).map(addressText), transparent, freebind].join(' ');
}

function sameAddress(a: ListenerConfig, b: ListenerConfig): boolean {
  return placeKey(a) === placeKey(b);
}

/** Throws where the system cannot do what is configured. */
function checkSystem({
  originalDestination = false,
  originalSource = null,
  transparent = false,
  freebind = false,
}: ListenerConfig): void {
  const what = originalDestination
    ? 'original_dst'
    : originalSource !== null
      ? 'original_src'
      : transparent
        ? 'transparent'
        : freebind
          ? 'freebind'
          : '';
  if (what === '') return;
  const fault = systemSocketsFault();
  if (fault !== '') throw new Error(`${what}: ${fault}`);
}

/** Whether a socket that is bound to `bound` gets what goes to `host`. */
function isOn(bound: string, host: string): boolean {
  if (bound === host) return true;
  if (bound !== '0.0.0.0' && bound !== '::') return false;
  if (host.startsWith('127.')) return true;
  return Object.values(networkInterfaces()).some((addresses) => addresses?.some(({ address }) => address === host));
}

function isServed(places: ReadonlyMap<string, Place>, place: Place): boolean {
  for (const other of places.values()) if (other === place) return true;
  return false;
}

const shuttingDown = new ProxyError({
  flag: 'LR',
  source: 'local',
  details: 'shutting_down',
  message: 'The sidecar shut down.',
});
