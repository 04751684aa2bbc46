/** A client on an open stream: who it is, and the session that serves it. */
import type { Node } from '../../proto/generated/envoy/config/core/v3/base_pb.js';
import type { CertificateLife } from '../door/caller.ts';
import type { ProxyNode } from '../translate/proxy-node.ts';
import type { AdsSession } from './ads-session.ts';
import type { DeltaSubscription } from './delta-subscription.ts';
import type { ServedSnapshot } from './served-resource.ts';
import type { SotwSubscription } from './sotw-subscription.ts';

export interface ConnectedProxy {
  readonly node: Node;
  readonly proxy: ProxyNode;
  readonly peer: string;
  readonly variant: 'sotw' | 'delta';
  readonly connectedWallMs: number;
  /** What it holds of this authority, as far as is known here: given to it by SDS, else what its stream showed. Null: nothing. */
  readonly certificate: () => CertificateLife | null;
  readonly session: AdsSession<SotwSubscription> | AdsSession<DeltaSubscription>;
  /** What it is to have. */
  snapshot: ServedSnapshot | null;
}

/** Who is told of clients that come and go; gives them their snapshots. */
export interface ProxyRegistry {
  /** '' when it is taken; else why not, and it is not removed then. */
  add(proxy: ConnectedProxy): string;
  remove(proxy: ConnectedProxy): void;
  /** It has answered a response, and was sent what was next. */
  answered(proxy: ConnectedProxy): void;
}
