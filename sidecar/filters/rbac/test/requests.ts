/** Requests and connections for tests of rules. */
import { HeaderFields } from '../../../codec/header-fields.ts';
import { RequestHead } from '../../../codec/message-head.ts';
import type { DownstreamConnectionInfo } from '../../../connection-manager/http-context.ts';
import type { PeerCertificate } from '../../../transport/peer-certificate.ts';
import type { GateRequest } from '../../request-gate.ts';
import { ConnectionFacts, type ForwardedForRules, RequestView } from '../request-view.ts';

export interface RequestInit {
  readonly method?: string;
  readonly path?: string;
  readonly authority?: string;
  readonly headers?: ReadonlyArray<readonly [string, string]>;
  readonly metadata?: ReadonlyMap<string, unknown> | null;
}

export function peer(...uris: readonly string[]): PeerCertificate {
  return { uris, dnsNames: [], subject: 'CN=somebody', sha256: 'ab'.repeat(32) };
}

export function connection(init: Partial<DownstreamConnectionInfo> = {}): DownstreamConnectionInfo {
  return {
    listenerName: 'inbound',
    direction: 'inbound',
    secure: init.peer !== undefined && init.peer !== null,
    alpn: '',
    serverName: '',
    peer: null,
    localUri: '',
    localAddress: '10.0.0.1:8080',
    remoteAddress: '10.1.2.3:4567',
    ...init,
  };
}

export function gateRequest(init: RequestInit = {}, info: DownstreamConnectionInfo = connection()): GateRequest {
  const { method = 'GET', path = '/', authority = 'orders.shop', headers = [], metadata = null } = init;
  return {
    head: new RequestHead(method, 'http', authority, path, '1.1', HeaderFields.of(...headers)),
    connection: info,
    grpc: false,
    requestId: 'id-1',
    route: null,
    startMs: 0,
    nowMs: 0,
    metadata: metadata === null ? null : new Map(metadata),
    policy: '',
    dryRunDeniedBy: '',
    decidedBy: '',
    changeResponse: () => {},
    targetCluster: null,
    delayed: false,
    priority: 'default',
    decider: () => () => undefined,
    watchEnd: () => undefined,
    shapeResponse: () => undefined,
  };
}

export const trustsNobody: ForwardedForRules = { useRemoteAddress: false, xffTrustedHops: 0, skipXffAppend: false };

export function requestView(
  init: RequestInit = {},
  info: Partial<DownstreamConnectionInfo> = {},
  forwardedFor: ForwardedForRules = trustsNobody,
): RequestView {
  const view = new RequestView(forwardedFor);
  const whole = connection(info);
  view.set(new ConnectionFacts(whole), gateRequest(init, whole));
  return view;
}
