/** What a simulated sidecar runs on: clusters over a simulated network, circuit breakers and routes of its configuration, on virtual time; and its log, which becomes events of the simulation. */
import { BreakerRegistry } from '../../sidecar/circuit-breaker/breaker-registry.ts';
import { ClusterManager } from '../../sidecar/cluster/cluster-manager.ts';
import type { HttpContext } from '../../sidecar/connection-manager/http-context.ts';
import { RouteTable } from '../../sidecar/router/route-table.ts';
import type { Random } from '../../sidecar/runtime/clock.ts';
import { Log } from '../../sidecar/runtime/log.ts';
import type { StatStore } from '../../sidecar/stats/stat-store.ts';
import type { SideConfiguration } from './mesh-configuration.ts';
import { connectTo, type Destination, SimulatedConnection } from './simulated-connection.ts';
import type { VirtualTime } from './virtual-time.ts';

export interface SimulatedContextInit {
  readonly time: VirtualTime;
  readonly random: Random;
  readonly configuration: SideConfiguration;
  readonly stats: StatStore;
  /** `shop/orders`. */
  readonly localService: string;
  /** A line that its log would have. */
  readonly onEvent: (message: string) => void;
}

export interface SimulatedContext extends HttpContext {
  readonly clusters: ClusterManager;
  readonly breakers: BreakerRegistry;
}

/** Access logs are for people who read one line a request; here figures are kept. */
const noAccessLogs = { open: () => ({ write: () => {} }), openService: () => () => {} };

/** `destinationAt`: by `ip:port`. */
export function simulatedContext(
  { time, random, configuration, stats, localService, onEvent }: SimulatedContextInit,
  destinationAt: (address: string) => Destination | undefined,
): SimulatedContext {
  const log = new Log(time, 'info', true, (line) =>
    onEvent((JSON.parse(line) as { readonly message: string }).message),
  );
  const breakers = new BreakerRegistry({ stats, clock: time, random, log });
  const routeTable = new RouteTable(configuration.table, breakers);
  const clusters = new ClusterManager({
    stats,
    clock: time,
    wheel: time.wheel,
    random,
    log,
    breakers,
    openTransport: (target, owner) => connectTo(time, destinationAt(`${target.host}:${target.port}`), target, owner),
    createCodec: (protocol, socket, owner) => new SimulatedConnection(protocol, socket, owner, time),
  });
  clusters.apply(configuration.configuration);
  return {
    clusters,
    breakers,
    routeTables: { routeTable: () => routeTable },
    stats,
    clock: time,
    wheel: time.wheel,
    random,
    log,
    localService,
    accessLogSinks: noAccessLogs,
  };
}
