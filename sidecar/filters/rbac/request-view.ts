/**
 * One request as rules see it. Made once per gate and set anew for each request, because a gate answers within the call. What is the same for every request of a connection is worked out once
 * per connection (ConnectionFacts).
 */
import type { HeaderFields } from '../../codec/header-fields.ts';
import type { RequestHead } from '../../codec/message-head.ts';
import type { DownstreamConnectionInfo } from '../../connection-manager/http-context.ts';
import type { PeerCertificate } from '../../transport/peer-certificate.ts';
import type { GateRequest } from '../request-gate.ts';
import { endpointText, type IpAddress, parseEndpoint, parseIpAddress } from './ip-address.ts';

export class ConnectionFacts {
  readonly info: DownstreamConnectionInfo;
  /**
   * By which the caller may be called; null: it showed no certificate. Who has a URI name is called by URI names only: a trust domain vouches for those, and for no other that it writes beside them (Envoy
   * goes by all of them).
   */
  readonly names: readonly string[] | null;
  readonly peer: IpAddress | null;
  readonly local: IpAddress | null;
  readonly localPort: number;

  constructor(info: DownstreamConnectionInfo) {
    this.info = info;
    this.names = info.peer === null ? null : namesOf(info.peer);
    this.peer = parseEndpoint(info.remoteAddress).address;
    const local = parseEndpoint(info.localAddress);
    this.local = local.address;
    this.localPort = local.port;
  }
}

function namesOf({ uris, dnsNames, subject }: PeerCertificate): readonly string[] {
  return uris.length > 0 ? uris : [...dnsNames, subject];
}

/** How `x-forwarded-for` is read: as the connection manager's configuration says. */
export interface ForwardedForRules {
  readonly useRemoteAddress: boolean;
  readonly xffTrustedHops: number;
  readonly skipXffAppend: boolean;
}

export class RequestView {
  readonly #forwardedFor: ForwardedForRules;
  connection!: ConnectionFacts;
  head!: RequestHead;
  metadata: ReadonlyMap<string, unknown> | null = null;
  requestId = '';
  /** Canonical, without the query: what is forwarded; '' for CONNECT, which has none. */
  path = '';
  #forwarded: ForwardedClient | null = null;
  #forwardedKnown = false;

  constructor(forwardedFor: ForwardedForRules) {
    this.#forwardedFor = forwardedFor;
  }

  set(connection: ConnectionFacts, { head, metadata, requestId }: GateRequest): void {
    this.connection = connection;
    this.head = head;
    this.metadata = metadata;
    this.requestId = requestId;
    const query = head.path.indexOf('?');
    this.path = query < 0 ? head.path : head.path.slice(0, query);
    this.#forwardedKnown = false;
  }

  /** Whom the request is for, as far as hops before us are believed (Envoy's remote address). */
  get client(): IpAddress | null {
    return this.#forwardedClient?.address ?? this.connection.peer;
  }

  /** As `ip:port`; the port of one that was forwarded for is not known: 0 (Envoy). */
  get clientEndpoint(): string {
    const forwarded = this.#forwardedClient;
    return forwarded === null ? this.connection.info.remoteAddress : endpointText(forwarded.text, 0);
  }

  get #forwardedClient(): ForwardedClient | null {
    if (!this.#forwardedKnown) {
      this.#forwardedKnown = true;
      this.#forwarded = forwardedClient(this.head.fields, this.#forwardedFor);
    }
    return this.#forwarded;
  }
}

interface ForwardedClient {
  readonly text: string;
  readonly address: IpAddress;
}

/** Null: `x-forwarded-for` does not say. At an edge admission has put the peer at the end already. */
export function forwardedClient(fields: HeaderFields, rules: ForwardedForRules): ForwardedClient | null {
  const { useRemoteAddress, xffTrustedHops, skipXffAppend } = rules;
  if (useRemoteAddress && xffTrustedHops === 0) return null;
  const skip = useRemoteAddress && skipXffAppend ? xffTrustedHops - 1 : xffTrustedHops;
  const values = fields.getAll('x-forwarded-for');
  if (values.length === 0) return null;
  const list = values.join(',').split(',');
  const text = list[list.length - 1 - skip]?.trim() ?? '';
  const address = parseIpAddress(text);
  return address === null ? null : { text, address };
}

/** All values of a header or pseudo-header; none: it is missing. The name is in lower case. */
export function headerValues({ head }: RequestView, name: string): readonly string[] {
  const pseudo = pseudoHeader(head, name);
  if (pseudo !== undefined) return pseudo === '' ? none : [pseudo];
  return head.fields.getAll(name);
}

/** Undefined: not such a name. `host` is what the authority says, whichever way it came. */
function pseudoHeader(head: RequestHead, name: string): string | undefined {
  switch (name) {
    case ':method':
      return head.method;
    case ':path':
      return head.path;
    case ':authority':
    case 'host':
      return head.authority;
    case ':scheme':
      return head.scheme;
    default:
      return name.charCodeAt(0) === 58 ? '' : undefined;
  }
}

const none: readonly string[] = Object.freeze([]);
