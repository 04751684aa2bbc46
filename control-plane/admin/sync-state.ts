/** What a connected proxy has of each type of resource, and what it refused: behind the dashboard's page of proxies. `outrigger status` has the same by CSDS. */
import type { ConnectedProxy } from '../xds-server/connected-proxy.ts';
import { typeOrder } from '../xds-server/served-resource.ts';
import type { Subscription } from '../xds-server/subscription.ts';

export interface TypeSync {
  readonly type: keyof typeof typeOrder;
  /** `not-sent`: it was asked for, and nothing was sent yet. `waiting`: what was sent last is not answered. `stale`: there is something newer, which is held back or on its way. */
  readonly state: 'synced' | 'stale' | 'waiting' | 'refused' | 'not-sent';
  readonly resources: number;
  /** Of those that it holds, encoded. */
  readonly bytes: number;
  /** Resources that it refused as they are now, some of them, with what it said. */
  readonly refused: ReadonlyArray<{ readonly name: string; readonly reason: string }>;
}

const mostRefused = 20;

/** Types that it has not asked for are left out. */
export function syncState({ session }: Pick<ConnectedProxy, 'session'>): TypeSync[] {
  return (Object.keys(typeOrder) as Array<keyof typeof typeOrder>).flatMap((type) => {
    const subscription: Subscription | undefined = session.subscriptions.get(typeOrder[type]);
    if (subscription === undefined) return [];
    const { sent, refused, awaiting, answered } = subscription;
    const refusedNow = [...sent.values()].filter(({ name, version }) => refused?.versions.get(name) === version);
    let bytes = 0;
    for (const resource of sent.values()) bytes += resource.bytes.length;
    return [
      {
        type,
        state:
          refusedNow.length > 0 || (sent.size === 0 && refused !== null)
            ? 'refused'
            : awaiting !== ''
              ? 'waiting'
              : !answered && sent.size === 0
                ? 'not-sent'
                : subscription.changed(session.resources(typeOrder[type])).length > 0
                  ? 'stale'
                  : 'synced',
        resources: sent.size,
        bytes,
        refused: refusedNow
          .slice(0, mostRefused)
          .map(({ name }) => ({ name, reason: refused?.reasons.get(name) ?? refused?.details ?? '' })),
      },
    ];
  });
}
