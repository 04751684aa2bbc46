/**
 * Makes a request's head fit to be routed: fields of this hop only and of untrusted callers go, x-request-id, x-forwarded-for, x-forwarded-proto and via come, path and host
 * get their one canonical form. One walk over the fields. Afterwards this holds what it found, until the next head: read it at once.
 */
import { isIP } from 'node:net';
import { HeaderFields } from '../codec/header-fields.ts';
import { headerName, headerRole, wellKnown } from '../codec/header-name.ts';
import { type RequestHead, ResponseHead } from '../codec/message-head.ts';
import { ProxyError } from '../codec/proxy-error.ts';
import type { GateConfig } from '../config/gate-config.ts';
import type { ForwardClientCertConfig, HttpConnectionManagerConfig } from '../config/listener-config.ts';
import { CallerRetry } from '../router/caller-retry.ts';
import { isGrpcContentType } from '../router/grpc-content-type.ts';
import { parseTimeoutMs } from '../router/request-timeout.ts';
import { isHopByHop, passedTe, removeListed } from './hop-by-hop.ts';
import type { DownstreamConnectionInfo } from './http-context.ts';
import { changesPaths, normalizePath } from './path-normalization.ts';
import { acceptableRequestId, newRequestId } from './request-id.ts';

const names = {
  requestId: headerName('x-request-id'),
  forwardedProto: headerName('x-forwarded-proto'),
  forwardedFor: headerName('x-forwarded-for'),
  externalAddress: headerName('x-envoy-external-address'),
  forwardedClientCert: headerName('x-forwarded-client-cert'),
  via: headerName('via'),
};

const proxyRoles: ReadonlySet<number> = new Set([
  headerRole.requestId,
  headerRole.forwardedFor,
  headerRole.forwardedProto,
  headerRole.forwardedClientCert,
  headerRole.internal,
  headerRole.expectedTimeout,
  headerRole.upstreamTimeout,
  headerRole.retryControl,
  headerRole.envoyControl,
  headerRole.outriggerControl,
]);

export class RequestAdmission {
  readonly #config: HttpConnectionManagerConfig;
  /** The callers of this listener are not trusted: `use_remote_address`. */
  readonly #edge: boolean;
  /** Who comes without a certificate is a stranger to the mesh, and tells its proxies nothing. */
  readonly #meshInbound: boolean;
  /** Fields that only a token may fill, in lower case: nobody fills them behind the body either. */
  readonly #reserved: ReadonlySet<string>;
  readonly #changesPaths: boolean;
  readonly #allUpgradesPass: boolean;
  /** What becomes of x-forwarded-client-cert; 'sanitize' costs nothing. */
  readonly #clientCert: ForwardClientCertConfig['mode'];
  /** What was found in the head admitted last. */
  trusted = false;
  requestId = '';
  grpc = false;
  /** Milliseconds that a trusted caller waits; -1: it did not say. */
  callerTimeoutMs = -1;
  grpcTimeout = '';
  /** What a trusted caller asks of retries; null: nothing. */
  callerRetry: CallerRetry | null = null;

  /** `meshInbound`: the listener is for callers of a mesh in which proxies have identities. */
  constructor(config: HttpConnectionManagerConfig, meshInbound = false) {
    this.#config = config;
    this.#meshInbound = meshInbound;
    this.#reserved = reservedByTokens(config.gates);
    this.#edge = config.useRemoteAddress;
    this.#clientCert = config.forwardClientCert?.mode ?? 'sanitize';
    this.#changesPaths = changesPaths(config);
    this.#allUpgradesPass = config.upgrades.allowAll && config.upgrades.denied.length === 0;
  }

  /** Null: the request may be routed. Else it is answered with the fault, or with the redirect to its canonical path. */
  admit(head: RequestHead, info: DownstreamConnectionInfo): ProxyError | ResponseHead | null {
    this.#walk(head, info);
    if (head.method === 'CONNECT' && head.upgrade === '' && !this.#config.upgrades.allowed.includes('connect')) {
      return new ProxyError({
        flag: '',
        source: 'local',
        details: 'upgrade_failed',
        message: 'CONNECT is not allowed here.',
        status: 403,
      });
    }
    if (head.upgrade !== '' && !this.#upgradeAllowed(head.upgrade)) {
      return new ProxyError({
        flag: '',
        source: 'local',
        details: 'upgrade_failed',
        message: `Upgrade to ${head.upgrade.slice(0, 64)} is not allowed here.`,
        status: 403,
      });
    }
    if (this.#config.stripHostPort !== 'none')
      stripPort(head, this.#config.stripHostPort === 'any' ? null : info.localAddress);
    return this.#canonicalPath(head);
  }

  #walk(head: RequestHead, info: DownstreamConnectionInfo): void {
    const edge = this.#edge;
    const untrusted = edge || (this.#meshInbound && info.peer === null);
    this.trusted = !untrusted;
    const config = this.#config;
    const { fields } = head;
    const { names: fieldNames, values } = fields;
    const keepUpgrade = head.upgrade !== '';
    const { length } = fieldNames;
    let connection = '';
    let idAt = -1;
    let hasForwardedProto = false;
    let expectedMs = -1;
    let upstreamMs = -1;
    let clientCert = '';
    this.grpc = false;
    this.grpcTimeout = '';
    this.callerRetry = null;
    let to = 0;
    for (let from = 0; from < length; from++) {
      const name = fieldNames[from]!;
      let value = values[from]!;
      if (name.known !== 0) {
        if (name.known === wellKnown.connection) {
          connection = connection === '' ? value : `${connection},${value}`;
          continue;
        }
        if (name.known === wellKnown.te) {
          value = passedTe(value);
          if (value === '') continue;
        } else if (isHopByHop(name.known, keepUpgrade)) continue;
      } else if (name.role !== 0) {
        let drop = false;
        switch (name.role) {
          case headerRole.requestId:
            drop = idAt >= 0;
            if (!drop) idAt = to;
            break;
          case headerRole.forwardedProto:
            // Who is not trusted does not say how it came.
            drop = untrusted || hasForwardedProto;
            if (!drop) hasForwardedProto = true;
            break;
          case headerRole.forwardedClientCert:
            // Only who proved an identity in TLS may tell of others (Envoy); what is kept to be added to stands at the end again.
            drop = this.#clientCert !== 'always-forward-only';
            if (drop && info.peer !== null) {
              if (this.#clientCert === 'forward-only') drop = false;
              else if (this.#clientCert === 'append-forward')
                clientCert = clientCert === '' ? value : `${clientCert},${value}`;
            }
            break;
          case headerRole.internal:
            // Internal means an mTLS identity, never an address.
            drop = true;
            break;
          case headerRole.expectedTimeout:
            drop = untrusted;
            if (!untrusted) expectedMs = parseTimeoutMs(value);
            break;
          case headerRole.upstreamTimeout:
            drop = true;
            if (!untrusted) upstreamMs = parseTimeoutMs(value);
            break;
          case headerRole.retryControl:
            // For this hop: the next one would retry too (Envoy).
            drop = true;
            if (!untrusted) (this.callerRetry ??= new CallerRetry()).note(name.lower, value);
            break;
          case headerRole.envoyControl:
          case headerRole.outriggerControl:
            drop = untrusted;
            break;
          case headerRole.contentType:
            this.grpc = isGrpcContentType(value);
            break;
          case headerRole.grpcTimeout:
            this.grpcTimeout = value;
            break;
        }
        if (drop) continue;
      }
      if (to !== from || value !== values[from]) {
        fieldNames[to] = name;
        values[to] = value;
      }
      to++;
    }
    if (to !== length) {
      fieldNames.length = to;
      values.length = to;
    }
    this.callerTimeoutMs = expectedMs >= 0 ? expectedMs : upstreamMs;
    this.#identify(fields, idAt);
    if (connection !== '') removeListed(fields, connection);
    if (info.forwardedClientCert !== undefined && info.forwardedClientCert !== '')
      fields.append(
        names.forwardedClientCert,
        clientCert === '' ? info.forwardedClientCert : `${clientCert},${info.forwardedClientCert}`,
      );
    if (edge) this.#tellAddress(fields, withoutPort(info.remoteAddress));
    if (!hasForwardedProto) fields.append(names.forwardedProto, info.secure ? 'https' : 'http');
    if (config.via !== '') fields.append(names.via, config.via);
  }

  /** Fields of this hop and those that tell the proxies something go: where they count is the head, and it has been admitted. */
  cleanTrailers(trailers: HeaderFields): void {
    const { names: fieldNames, values } = trailers;
    let to = 0;
    for (let from = 0; from < fieldNames.length; from++) {
      const name = fieldNames[from]!;
      if (isHopByHop(name.known, false) || proxyRoles.has(name.role) || this.#reserved.has(name.lower)) continue;
      if (to !== from) {
        fieldNames[to] = name;
        values[to] = values[from]!;
      }
      to++;
    }
    fieldNames.length = to;
    values.length = to;
  }

  /** The peer goes to the end of x-forwarded-for, the client that trusted hops before us saw into x-envoy-external-address (Envoy). */
  #tellAddress(fields: HeaderFields, peer: string): void {
    const { skipXffAppend, xffTrustedHops } = this.#config;
    const before = xffTrustedHops > 0 || !skipXffAppend ? fields.getAll('x-forwarded-for').join(', ') : '';
    const client = xffTrustedHops > 0 ? before.split(',').at(-xffTrustedHops)?.trim() : undefined;
    if (!skipXffAppend) fields.set(names.forwardedFor, before === '' ? peer : `${before}, ${peer}`);
    fields.append(names.externalAddress, client !== undefined && isIP(client) !== 0 ? client : peer);
  }

  /** `at`: where x-request-id stands, -1 for nowhere. */
  #identify(fields: HeaderFields, at: number): void {
    const config = this.#config;
    if (at >= 0) {
      const given = fields.values[at]!;
      if (acceptableRequestId(given) && (!this.#edge || config.preserveExternalRequestId)) {
        this.requestId = given;
        return;
      }
    } else if (!config.generateRequestId) {
      this.requestId = '';
      return;
    }
    const made = newRequestId();
    this.requestId = made;
    if (at >= 0) fields.values[at] = made;
    else fields.append(names.requestId, made);
  }

  #upgradeAllowed(token: string): boolean {
    if (this.#allUpgradesPass) return true;
    const { allowAll, allowed, denied } = this.#config.upgrades;
    return !denied.includes(token) && (allowAll || allowed.includes(token));
  }

  #canonicalPath(head: RequestHead): ProxyError | ResponseHead | null {
    const { path } = head;
    if (path.includes('#')) return badPath('The path has a fragment (#), which a request may not carry.');
    if (!this.#changesPaths || path.charCodeAt(0) !== 47) return null;
    const normalized = normalizePath(path, this.#config);
    if (normalized.kind === 'reject') return badPath(normalized.message);
    head.path = normalized.path;
    if (normalized.kind === 'ok') return null;
    if (this.grpc) return badPath('The path has an escaped slash (%2F or %5C), and a gRPC caller follows no redirect.');
    return new ResponseHead(307, HeaderFields.of(['location', normalized.path], ['content-length', '0']));
  }
}

function reservedByTokens(gates: readonly GateConfig[]): ReadonlySet<string> {
  const reserved = new Set<string>();
  for (const gate of gates) {
    if (gate.kind !== 'jwt-authn') continue;
    for (const { forwardPayloadHeader, claimToHeaders } of gate.providers.values())
      for (const header of [forwardPayloadHeader, ...claimToHeaders.map((each) => each.header)])
        reserved.add(header.toLowerCase());
  }
  return reserved;
}

function badPath(message: string): ProxyError {
  return new ProxyError({ flag: '', source: 'downstream', details: 'path_normalization_failed', message, status: 400 });
}

/** `ip:port` → `ip`; IPv6 without its brackets. */
function withoutPort(address: string): string {
  const host = address.slice(0, address.lastIndexOf(':'));
  return host.startsWith('[') ? host.slice(1, -1) : host;
}

/** `localAddress` null: any port goes; else only the listener's own. */
function stripPort(head: RequestHead, localAddress: string | null): void {
  const match = /:\d*$/.exec(head.authority);
  if (match === null || (localAddress !== null && localAddress.slice(localAddress.lastIndexOf(':')) !== match[0]))
    return;
  head.authority = head.authority.slice(0, match.index);
}
