/** Our go-control-plane program (test/peers/go/xds-server) as the tests speak to it: what it serves, and what its clients answered. */
import { type StartedProgram, waitFor } from '../peers/started-program.ts';
import type { Json } from './envoy-resources.ts';
import { peer, type Stage } from './programs.ts';

export interface Snapshot {
  readonly listeners?: readonly Json[];
  readonly routes?: readonly Json[];
  readonly clusters?: readonly Json[];
  readonly endpoints?: readonly Json[];
}

/** One thing that a client did. */
export interface XdsEvent {
  readonly seq: number;
  readonly stream: number;
  readonly variant: 'sotw' | 'delta';
  readonly kind: 'open' | 'subscribe' | 'ack' | 'nack' | 'closed';
  readonly node?: string;
  readonly userAgent?: string;
  readonly typeUrl?: string;
  readonly version?: string;
  readonly nonce?: string;
  readonly names?: readonly string[];
  readonly error?: string;
}

export class GoControlPlane {
  readonly #program: StartedProgram;
  readonly #adminUrl: string;
  readonly port: number;
  #version = 0;

  constructor(program: StartedProgram, port: number, adminUrl: string) {
    this.#program = program;
    this.port = port;
    this.#adminUrl = adminUrl;
  }

  /** `port` 0 takes a free one. */
  static async start(stage: Stage, port = 0): Promise<GoControlPlane> {
    const program = stage.start('xds-server', [peer('xds-server'), '--listen', `127.0.0.1:${port}`]);
    const found = await program.line(/^(\{.*\})$/m);
    const { xds, admin } = JSON.parse(found[1]!) as { xds: string; admin: string };
    return new GoControlPlane(program, Number(xds.slice(xds.lastIndexOf(':') + 1)), `http://${admin}`);
  }

  stop(): Promise<void> {
    return this.#program.stop();
  }

  /** Serves this from now on, under a new version; returns the number of the last event before. */
  async serve(snapshot: Snapshot): Promise<number> {
    const before = (await this.events()).length;
    // Two control planes of one test must not give different content the same version.
    const version = `${this.#program.pid}.${++this.#version}`;
    const response = await fetch(`${this.#adminUrl}/snapshot`, {
      method: 'PUT',
      body: JSON.stringify({ version, ...snapshot }),
    });
    if (!response.ok) throw new Error(`xds-server refused the snapshot: ${await response.text()}`);
    return before;
  }

  async events(after = 0): Promise<XdsEvent[]> {
    return (await fetch(`${this.#adminUrl}/events?after=${after}`)).json() as Promise<XdsEvent[]>;
  }

  /** The first event after `after` that fits. */
  async event(what: string, after: number, fits: (event: XdsEvent) => boolean): Promise<XdsEvent> {
    return waitFor(what, 10_000, async () => (await this.events(after)).find(fits));
  }
}

export const typeOf = {
  listener: 'type.googleapis.com/envoy.config.listener.v3.Listener',
  route: 'type.googleapis.com/envoy.config.route.v3.RouteConfiguration',
  cluster: 'type.googleapis.com/envoy.config.cluster.v3.Cluster',
  endpoint: 'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment',
} as const;
