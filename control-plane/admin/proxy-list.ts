/** Connected proxies as plain rows: who each is, how long its certificate lasts, and whether it takes mTLS. Never a key, nor anything that it was sent. */
import type { PeerMode } from '../config-kind/policy-resource.ts';
import type { Model } from '../model/model.ts';
import { proxyPolicies } from '../translate/proxy-policies.ts';
import type { ConnectedProxy } from '../xds-server/connected-proxy.ts';
import { refusedListener } from './refused-listener.ts';

export interface ProxyRow {
  readonly nodeId: string;
  /** `namespace/service` */
  readonly cluster: string;
  readonly kind: string;
  readonly variant: string;
  /** Its address. */
  readonly peer: string;
  /** SPIFFE ID, proven; ''. */
  readonly identity: string;
  readonly connectedAt: string;
  /** Null: it showed a token, or nothing, and has not asked for one. */
  readonly certificate: { readonly serial: string; readonly validFrom: string; readonly validUntil: string } | null;
  /** Of its inbound listener; null: it has none. */
  readonly inbound: { readonly mode: PeerMode; readonly reason: string } | null;
  /** Why it refused its inbound listener as it is now, and with it what policies say now; '' when it did not. */
  readonly refusedPolicies: string;
}

export function listProxies(proxies: Iterable<ConnectedProxy>, { policies }: Pick<Model, 'policies'>): ProxyRow[] {
  return [...proxies].map((connected) => {
    const { proxy, peer, variant, connectedWallMs, certificate } = connected;
    const life = certificate();
    const { mode, modeReason } = proxyPolicies(policies, proxy);
    return {
      nodeId: proxy.id,
      cluster: proxy.cluster,
      kind: proxy.kind,
      variant,
      peer,
      identity: proxy.identity?.text ?? '',
      connectedAt: isoTime(connectedWallMs),
      certificate:
        life === null
          ? null
          : { serial: life.serial, validFrom: isoTime(life.notBeforeMs), validUntil: isoTime(life.notAfterMs) },
      inbound: proxy.appPort === null || proxy.kind === 'grpc' ? null : { mode, reason: modeReason },
      refusedPolicies: refusedListener(connected),
    };
  });
}

function isoTime(wallMs: number): string {
  return new Date(wallMs).toISOString();
}
