/** What the kernel says of this process's network namespace and of what the process may do. Reads /proc only. */
import { existsSync, readFileSync } from 'node:fs';

export interface NetworkFacts {
  /** CAP_NET_ADMIN. */
  readonly mayChange: boolean;
  /** The machine's first namespace: the host's own network. */
  readonly isHostNetwork: boolean;
  /** The kernel has IPv6 here, if only without an address: rules of it may be there. */
  readonly knowsIpv6: boolean;
  /** Some interface has an address of IPv6, if only ::1. */
  readonly hasIpv6: boolean;
  /** One that others can call. */
  readonly hasGlobalIpv6: boolean;
  /** Who listens for TCP, by port: user ids. */
  readonly listeners: ReadonlyMap<number, readonly number[]>;
}

export function readNetworkFacts(): NetworkFacts {
  const capabilities = /^CapEff:\s*([0-9a-f]+)$/m.exec(read('/proc/self/status'))?.[1] ?? '0';
  const addresses = ipv6Scopes(read('/proc/net/if_inet6'));
  return {
    mayChange: ((BigInt(`0x${capabilities}`) >> 12n) & 1n) === 1n,
    // A setting of the machine as a whole: the kernel shows it in its first namespace only.
    isHostNetwork: existsSync('/proc/sys/net/core/netdev_max_backlog'),
    knowsIpv6: existsSync('/proc/net/if_inet6'),
    hasIpv6: addresses.length > 0,
    hasGlobalIpv6: addresses.includes('00'),
    listeners: tcpListeners(`${read('/proc/net/tcp')}\n${read('/proc/net/tcp6')}`),
  };
}

/** Scopes of all addresses, `00` for global, `10` for the host's own, `20` for a link's. */
export function ipv6Scopes(text: string): readonly string[] {
  return [...text.matchAll(/^[0-9a-f]{32} [0-9a-f]+ [0-9a-f]+ ([0-9a-f]{2}) /gm)].map((match) => match[1]!);
}

export function tcpListeners(text: string): ReadonlyMap<number, readonly number[]> {
  const found = new Map<number, number[]>();
  // Place, local address and port, remote, state (0A: LISTEN), queues, timer, retransmits, user.
  for (const [, port, uid] of text.matchAll(/^ *\d+: [0-9A-F]+:([0-9A-F]{4}) \S+ 0A \S+ \S+ \S+ +(\d+) /gm)) {
    const users = found.get(Number.parseInt(port!, 16)) ?? [];
    found.set(Number.parseInt(port!, 16), [...new Set([...users, Number(uid)])]);
  }
  return found;
}

function read(file: string): string {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return '';
  }
}
