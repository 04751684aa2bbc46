/** What Envoy's `/listeners` shows: as values, as its text, and as its JSON. */

export interface ListenerStatus {
  readonly name: string;
  readonly host: string;
  /** The port in use. */
  readonly port: number;
  readonly addedViaApi: boolean;
  readonly activeConnections: number;
  readonly activeStreams: number;
  readonly draining: boolean;
  readonly filterChains: readonly string[];
}

export function listenersText(statuses: readonly ListenerStatus[]): string {
  return statuses
    .map(({ name, host, port }) => `${name}::${host.includes(':') ? `[${host}]` : host}:${port}\n`)
    .join('');
}

/** envoy.admin.v3.Listeners. */
export function listenersJson(statuses: readonly ListenerStatus[]): unknown {
  return {
    listener_statuses: statuses.map(({ name, host, port }) => ({
      name,
      local_address: { socket_address: { address: host, port_value: port } },
    })),
  };
}
