/** All listeners that answer DNS, by name: binds what is new, puts a changed table behind the sockets that are there, closes what is gone. The code of this folder is loaded when a configuration first has one. */
import { networkInterfaces } from 'node:os';
import type { Configured } from '../config/configuration.ts';
import type { ListenerConfig, SocketAddress } from '../config/listener-config.ts';
import { addressText, type BindFault } from '../listener/bound-socket.ts';
import type { OtherListeners } from '../listener/listener-manager.ts';
import type { ListenerStatus } from '../listener/listener-status.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import type { TimerWheel } from '../runtime/timer-wheel.ts';
import type { StatStore } from '../stats/stat-store.ts';
import { DnsResolver } from './dns-resolver.ts';
import { DnsSockets } from './dns-sockets.ts';
import { DnsStats } from './dns-stats.ts';
import { DnsTable } from './dns-table.ts';
import { Forwarder } from './forwarder.ts';

interface DnsListenersContext {
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly stats: StatStore;
  readonly log: Log | null;
  /** For tests: another /etc/resolv.conf. */
  readonly resolvConf?: string;
}

interface Place {
  config: ListenerConfig;
  readonly sockets: DnsSockets;
  origin: 'static' | 'dynamic';
}

export class DnsListeners implements OtherListeners {
  readonly #context: DnsListenersContext;
  readonly #places = new Map<string, Place>();

  constructor(context: DnsListenersContext) {
    this.#context = context;
  }

  async apply(listeners: ReadonlyMap<string, Configured<ListenerConfig>>): Promise<readonly BindFault[]> {
    const faults: BindFault[] = [];
    for (const [name, place] of [...this.#places]) {
      const next = listeners.get(name);
      if (next === undefined || addressKey(next.value) !== addressKey(place.config)) await this.#remove(name, place);
    }
    for (const [name, { value, origin }] of listeners) {
      const place = this.#places.get(name);
      if (place?.config === value) continue;
      const resolver = this.#resolver(value, name);
      if (place === undefined) {
        const sockets = await DnsSockets.bind(name, addressesOf(value), resolver, this.#context.wheel);
        if (sockets instanceof DnsSockets) this.#places.set(name, { config: value, sockets, origin });
        else faults.push(sockets);
      } else {
        // Questions that wait for an answer from elsewhere go on with the resolver that they came to.
        place.sockets.resolver = resolver;
        place.config = value;
        place.origin = origin;
      }
    }
    return faults;
  }

  async #remove(name: string, { sockets }: Place): Promise<void> {
    this.#places.delete(name);
    sockets.resolver.close();
    await sockets.close();
    this.#context.stats.removePrefix(sockets.resolver.stats.prefix);
  }

  #resolver(config: ListenerConfig, name: string): DnsResolver {
    const { clock, wheel, stats: store, resolvConf } = this.#context;
    const dns = config.dns!;
    const stats = new DnsStats(store, dns.statPrefix);
    const { upstream } = dns;
    const forwarder =
      upstream === null
        ? null
        : new Forwarder({
            config: upstream,
            isSelf: (address) => this.#isOn(name, address),
            ...{ clock, wheel, stats },
            ...(resolvConf === undefined ? {} : { resolvConf }),
          });
    return new DnsResolver(dns, new DnsTable(dns.domains), forwarder, stats);
  }

  #isOn(name: string, { host, port }: SocketAddress): boolean {
    const place = this.#places.get(name);
    return (
      place !== undefined &&
      place.sockets.addresses.some(
        (address, i) =>
          place.sockets.ports[i] === port && (address.host === host || (isAny(address.host) && isOurs(host))),
      )
    );
  }

  listenerAt(address: SocketAddress): string | null {
    for (const name of this.#places.keys()) if (this.#isOn(name, address)) return name;
    return null;
  }

  boundPort(name: string): number | undefined {
    return this.#places.get(name)?.sockets.ports[0];
  }

  dump(): readonly ListenerStatus[] {
    return [...this.#places].map(([name, { config, sockets, origin }]) => ({
      name,
      host: config.address.host,
      port: sockets.ports[0]!,
      additional: sockets.addresses.slice(1).map(({ host }, i) => ({ host, port: sockets.ports[i + 1]! })),
      udp: true,
      addedViaApi: origin === 'dynamic',
      activeConnections: sockets.activeConnections,
      activeStreams: 0,
      draining: false,
      filterChains: [],
    }));
  }

  async closeAll(): Promise<void> {
    for (const [name, place] of [...this.#places]) await this.#remove(name, place);
  }
}

function addressesOf({ address, additionalAddresses = [] }: ListenerConfig): readonly SocketAddress[] {
  return [address, ...additionalAddresses];
}

/** What a change of makes new sockets. */
function addressKey(config: ListenerConfig): string {
  return [...addressesOf(config).map(addressText), config.dns!.statPrefix].join(' ');
}

function isAny(host: string): boolean {
  return host === '0.0.0.0' || host === '::';
}

function isOurs(host: string): boolean {
  if (host.startsWith('127.')) return true;
  return Object.values(networkInterfaces()).some((addresses) => addresses?.some(({ address }) => address === host));
}
