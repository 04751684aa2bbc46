/** Connected proxies as plain rows: who each is, how long its certificate lasts, and whether it takes mTLS. Never a key, nor anything that it was sent. */
import type { PeerMode } from '../config-kind/policy-resource.ts';
import type { Model } from '../model/model.ts';
import { type Footprints, footprintKey, type ProxyFootprint } from '../observe/proxy-footprint.ts';
import type { Egress, Interception } from '../translate/proxy-node.ts';
import { proxyPolicies } from '../translate/proxy-policies.ts';
import type { ConnectedProxy } from '../xds-server/connected-proxy.ts';
import { refusedListener } from './refused-listener.ts';
import { syncState, type TypeSync } from './sync-state.ts';

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
  /** How traffic comes to it. */
  readonly interception: Interception;
  /** Where what it is redirected may go; '' : nothing is. */
  readonly egress: Egress | '';
  /** Why it refused its inbound listener as it is now, and with it what policies say now; '' when it did not. */
  readonly refusedPolicies: string;
  /** Of the program, as it says; ''. */
  readonly version: string;
  /** Of its process, as it says; null: it does not say. */
  readonly footprint: ProxyFootprint | null;
  /** By type of resource, in the order of sending. */
  readonly sync: readonly TypeSync[];
}

export function listProxies(
  proxies: Iterable<ConnectedProxy>,
  { policies }: Pick<Model, 'policies'>,
  footprints: Footprints = new Map(),
): ProxyRow[] {
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
      inbound:
        (proxy.appPort === null && proxy.interception === 'NONE') || proxy.kind === 'grpc'
          ? null
          : { mode, reason: modeReason },
      interception: proxy.interception,
      egress: proxy.interception === 'NONE' ? '' : proxy.egress,
      refusedPolicies: refusedListener(connected),
      version: versionOf(connected),
      footprint: footprints.get(footprintKey(proxy.cluster, proxy.id)) ?? null,
      sync: syncState(connected),
    };
  });
}

function versionOf({ node: { userAgentVersionType: version } }: ConnectedProxy): string {
  if (version.case === 'userAgentVersion') return version.value;
  if (version.case !== 'userAgentBuildVersion') return '';
  const { majorNumber = 0, minorNumber = 0, patch = 0 } = version.value.version ?? {};
  return `${majorNumber}.${minorNumber}.${patch}`;
}

function isoTime(wallMs: number): string {
  return new Date(wallMs).toISOString();
}
