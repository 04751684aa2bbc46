/** What Envoy's `/listeners` shows: as values, as its text, and as its JSON. */

export interface ListenerStatus {
  readonly name: string;
  readonly host: string;
  /** The port in use. */
  readonly port: number;
  /** Its further addresses. */
  readonly additional: ReadonlyArray<{ readonly host: string; readonly port: number }>;
  /** Of UDP, and of TCP on the same port. */
  readonly udp?: true;
  readonly addedViaApi: boolean;
  readonly activeConnections: number;
  readonly activeStreams: number;
  readonly draining: boolean;
  readonly filterChains: readonly string[];
}

export function listenersText(statuses: readonly ListenerStatus[]): string {
  return statuses
    .flatMap(({ name, host, port, additional }) =>
      [{ host, port }, ...additional].map(
        (address) => `${name}::${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port}\n`,
      ),
    )
    .join('');
}

/** envoy.admin.v3.Listeners. */
export function listenersJson(statuses: readonly ListenerStatus[]): unknown {
  return {
    listener_statuses: statuses.map(({ name, host, port, additional, udp }) => ({
      name,
      local_address: { socket_address: { ...(udp ? { protocol: 'UDP' } : {}), address: host, port_value: port } },
      ...(additional.length === 0
        ? {}
        : {
            additional_local_addresses: additional.map((each) => ({
              socket_address: { address: each.host, port_value: each.port },
            })),
          }),
    })),
  };
}
