/** The name server inside of a network of `outrigger run --intercept`: questions go to those of the host, which may be on its loopback, where nobody inside could ask them. The code is the sidecar's resolver, with an empty table. */
import { DnsListeners } from '../../sidecar/dns/dns-listeners.ts';
import { systemClock } from '../../sidecar/runtime/clock.ts';
import { TimerWheel } from '../../sidecar/runtime/timer-wheel.ts';
import { StatStore } from '../../sidecar/stats/stat-store.ts';

export interface NameRelay {
  close(): Promise<void>;
}

/** On port 53. Where the host has a name server on all of its addresses, that one answers already. */
export async function startNameRelay(address: string, tell: (line: string) => void): Promise<NameRelay> {
  const listeners = new DnsListeners({
    clock: systemClock,
    wheel: new TimerWheel(systemClock),
    stats: new StatStore(),
    log: null,
  });
  const upstream = { resolvers: null, tcpOnly: false, timeoutMs: 5_000, retries: 0, maxPending: 1_024 };
  const value = {
    name: 'names',
    address: { host: address, port: 53 },
    direction: 'unspecified' as const,
    filterChains: [],
    defaultFilterChain: null,
    bufferLimitBytes: 0,
    inspectTls: false,
    listenerFiltersTimeoutMs: 0,
    dns: { statPrefix: 'names', domains: [], upstream },
  };
  const configured = { value, version: '', origin: 'static' as const, updatedWallMs: 0, raw: new Uint8Array() };
  const [fault] = await listeners.apply(new Map([['names', configured]]));
  if (fault !== undefined && fault.code !== 'EADDRINUSE')
    tell(`warning: names of the host's name servers are not known to the command: ${fault.message}`);
  return { close: () => listeners.closeAll() };
}
