/** A fleet for one variant of policies, put together: endpoints, the sidecars beside them, who calls, and the script of what fails. `run` lets the time go by and gives what was seen. */
import { CallRecord } from './call-record.ts';
import { EdgeWatch } from './edge-watch.ts';
import { endpointAddress } from './endpoint-address.ts';
import { EventList } from './event-list.ts';
import type { FailureSpec } from './failure-effects.ts';
import { InboundSidecar } from './inbound-sidecar.ts';
import { startLoad } from './load.ts';
import { MeshConfiguration, type OutboundConfiguration } from './mesh-configuration.ts';
import { type Calling, OutboundSidecar } from './outbound-sidecar.ts';
import { chooseSome, seededRandom } from './seeded-random.ts';
import type { Destination } from './simulated-connection.ts';
import { type ServiceCounts, SimulatedEndpoint } from './simulated-endpoint.ts';
import { instancePort, type RequestSpec, type ServiceSpec, type Simulation, type Variant } from './simulation.ts';
import type { Moment, ServiceTotal, VariantResult } from './simulation-result.ts';
import { VirtualTime } from './virtual-time.ts';

interface RunningService {
  readonly spec: ServiceSpec;
  readonly counts: ServiceCounts;
  readonly endpoints: readonly SimulatedEndpoint[];
  mostWaiting: number;
  mostServing: number;
}

export class Fleet {
  readonly #simulation: Simulation;
  readonly #variant: Variant;
  readonly #time = new VirtualTime();
  readonly #configuration: MeshConfiguration;
  readonly #events = new EventList();
  readonly #destinations = new Map<string, Destination>();
  readonly #services: RunningService[] = [];
  readonly #edges: EdgeWatch[] = [];
  readonly #gates: Array<Promise<unknown>> = [];

  private constructor(simulation: Simulation, variant: Variant) {
    this.#simulation = simulation;
    this.#variant = variant;
    this.#configuration = new MeshConfiguration(simulation, variant.resources);
    for (const [at, spec] of simulation.services.entries()) this.#addService(spec, at);
    for (const { spec, endpoints } of this.#services)
      for (const failure of spec.failures) this.#plan(failure, spec, endpoints);
    // Tables begin with who calls from outside.
    const inside = this.#edges.splice(0);
    this.#startLoads();
    this.#edges.push(...inside);
  }

  /** The code of what stands before instances has to be loaded: hence the promise. */
  static async create(simulation: Simulation, variant: Variant): Promise<Fleet> {
    const fleet = new Fleet(simulation, variant);
    await Promise.all(fleet.#gates);
    return fleet;
  }

  /** What is likely not meant by the policies. */
  get warnings(): readonly string[] {
    return this.#configuration.warnings;
  }

  #random(purpose: string) {
    return seededRandom(this.#simulation.seed, purpose);
  }

  #addService(spec: ServiceSpec, at: number): void {
    const counts: ServiceCounts = { received: 0, succeeded: 0, refused: 0, turnedAway: 0, inVain: 0 };
    const sidecars = spec.calls.length === 0 ? [] : this.#callers(spec.name, spec.calls, spec.sidecars);
    const random = this.#random(`service/${spec.name}`);
    const endpoints = Array.from({ length: spec.endpoints }, (_, instance) => {
      const host = endpointAddress(at, instance);
      const name = `${spec.name}-${instance}`;
      const endpoint = new SimulatedEndpoint(name, host, spec, {
        time: this.#time,
        random,
        counts,
        calls: sidecars.length === 0 ? null : sidecars[instance % sidecars.length]!,
      });
      const address = `${host}:${instancePort}`;
      this.#destinations.set(address, { endpoint, roundTripMs: this.#simulation.roundTripMs, behindDoor: false });
      this.#events.nameHost(address, name);
      return endpoint;
    });
    this.#services.push({ spec, counts, endpoints, mostWaiting: 0, mostServing: 0 });
    this.#addDoors(spec, endpoints);
  }

  #addDoors(spec: ServiceSpec, endpoints: readonly SimulatedEndpoint[]): void {
    const configuration = this.#configuration.inbound(spec.name);
    if (configuration === null) return;
    for (const endpoint of endpoints) {
      const door = new InboundSidecar({
        time: this.#time,
        random: this.#random(`door/${endpoint.name}`),
        configuration,
        endpoint,
        localService: `${this.#simulation.namespace}/${spec.name}`,
        onEvent: (message) => this.#events.add(this.#time.elapsedMs, endpoint.name, message),
      });
      endpoint.door = door;
      this.#gates.push(door.ready);
    }
  }

  /** Sidecars of one caller, which make these requests. */
  #callers(caller: string, requests: readonly RequestSpec[], count: number): OutboundSidecar[] {
    const configuration = this.#configuration.outbound(
      caller,
      requests.map(({ service }) => service),
    );
    const records = new Map(requests.map(({ service }) => [service, new CallRecord(caller, service)]));
    const callings = requests.map((request): Calling => ({ request, record: records.get(request.service)! }));
    const sidecars = Array.from({ length: count }, (_, at) =>
      this.#sidecar(caller, at, count, configuration, callings),
    );
    for (const [service, record] of records)
      this.#edges.push(new EdgeWatch(record, sidecars, configuration.ways.get(service)!));
    return sidecars;
  }

  #sidecar(
    caller: string,
    at: number,
    of: number,
    configuration: OutboundConfiguration,
    callings: readonly Calling[],
  ): OutboundSidecar {
    const name = of === 1 ? caller : `${caller}-${at}`;
    return new OutboundSidecar({
      time: this.#time,
      random: this.#random(`sidecar/${caller}/${at}`),
      configuration,
      localService: `${this.#simulation.namespace}/${caller}`,
      callings,
      destinationAt: (address) => this.#destinations.get(address),
      onEvent: (message) => this.#events.add(this.#time.elapsedMs, name, message),
    });
  }

  #startLoads(): void {
    const { loads } = this.#simulation;
    for (const from of new Set(loads.map((load) => load.from))) {
      const mine = loads.filter((load) => load.from === from);
      const sidecars = this.#callers(from, mine, Math.max(...mine.map((load) => load.sidecars)));
      for (const [which, load] of mine.entries())
        startLoad(load, which, sidecars, this.#time, this.#random(`load/${from}/${which}`));
    }
  }

  #plan(failure: FailureSpec, spec: ServiceSpec, endpoints: readonly SimulatedEndpoint[]): void {
    const { atMs, forMs } = failure;
    const random = this.#random(`failure/${spec.name}/${spec.failures.indexOf(failure)}`);
    const count =
      failure.endpoints.kind === 'count'
        ? Math.min(failure.endpoints.count, endpoints.length)
        : Math.ceil(failure.endpoints.share * endpoints.length);
    const chosen = chooseSome(count, endpoints.length, random).map((at) => endpoints[at]!);
    this.#time.after(atMs, { onDue: () => chosen.forEach((endpoint) => endpoint.begin(failure)) });
    if (forMs !== Infinity)
      this.#time.after(atMs + forMs, { onDue: () => chosen.forEach((endpoint) => endpoint.end(failure)) });
  }

  run(): VariantResult {
    const { durationMs, intervalMs } = this.#simulation;
    const timeline: Moment[] = [];
    for (let fromMs = 0; fromMs < durationMs; fromMs += intervalMs) {
      const toMs = Math.min(durationMs, fromMs + intervalMs);
      this.#time.runUntil(toMs);
      this.#lookAtQueues();
      timeline.push({ atMs: toMs, edges: this.#edges.map((edge) => edge.look(toMs - fromMs)) });
    }
    return {
      name: this.#variant.name,
      edges: this.#edges.map((edge) => edge.total(durationMs)),
      services: this.#services.map((service) => serviceTotal(service, durationMs)),
      timeline,
      events: this.#events.kept,
      moreEvents: this.#events.dropped,
    };
  }

  #lookAtQueues(): void {
    for (const service of this.#services) {
      let waiting = 0;
      let serving = 0;
      for (const endpoint of service.endpoints) {
        waiting += endpoint.waiting;
        serving += endpoint.serving;
      }
      service.mostWaiting = Math.max(service.mostWaiting, waiting);
      service.mostServing = Math.max(service.mostServing, serving);
    }
  }
}

function serviceTotal({ spec, counts, mostWaiting, mostServing }: RunningService, durationMs: number): ServiceTotal {
  return {
    service: spec.name,
    endpoints: spec.endpoints,
    received: counts.received,
    receivedPerSecond: (counts.received * 1000) / durationMs,
    succeeded: counts.succeeded,
    refused: counts.refused,
    turnedAway: counts.turnedAway,
    inVain: counts.inVain,
    mostServing,
    mostWaiting,
  };
}
