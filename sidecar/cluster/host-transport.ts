/** How the hosts of a cluster are connected to: the same for all, or by their metadata (Envoy's transport_socket_matches). Chosen when endpoints change, never per request. */
import type { ClusterConfig, EndpointConfig } from '../config/cluster-config.ts';
import type { TlsClientConfig } from '../config/tls-config.ts';
import type { SecretLookup } from '../secret/secret-store.ts';
import { SecretTls } from '../secret/secret-tls.ts';

/** One way to connect. Hosts that are connected to in the same way have the same object. */
export interface HostTransport {
  /** Null: plaintext. */
  readonly tls: SecretTls<TlsClientConfig> | null;
}

export class HostTransports {
  readonly #matches: ReadonlyArray<{ readonly match: Readonly<Record<string, string>>; readonly to: HostTransport }>;
  /** `transport_socket`: for hosts that nothing matches. */
  readonly #usual: HostTransport;

  constructor({ tls, transportMatches = [] }: ClusterConfig, secrets: SecretLookup | null) {
    this.#usual = transport(tls, secrets);
    this.#matches = transportMatches.map((each) => ({ match: each.match, to: transport(each.tls, secrets) }));
  }

  /** Every host is connected to in the same way. */
  get uniform(): boolean {
    return this.#matches.length === 0;
  }

  /** The first that matches wins. */
  of(endpoint: EndpointConfig): HostTransport {
    for (const { match, to } of this.#matches) if (covers(endpoint.transportMatch, match)) return to;
    return this.#usual;
  }
}

function transport(tls: TlsClientConfig | null, secrets: SecretLookup | null): HostTransport {
  return { tls: tls === null ? null : new SecretTls(tls, secrets) };
}

/** Every key wanted is there with the value wanted. */
function covers(has: EndpointConfig['transportMatch'], wanted: Readonly<Record<string, string>>): boolean {
  for (const key of Object.keys(wanted)) if (has?.[key] !== wanted[key]) return false;
  return true;
}
