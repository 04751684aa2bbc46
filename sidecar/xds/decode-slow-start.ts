/** Both of Envoy's SlowStartConfig messages (of clusters, of load balancing policies) → SlowStartConfig. */
import type { SlowStartConfig } from '../config/cluster-config.ts';
import type { Cluster_SlowStartConfig } from './api/envoy/config/cluster/v3/cluster_pb.js';
import { bounded, waitMs } from './decode-value.ts';
import { at, type Faults } from './fault.ts';

/** What the two messages have alike. */
type SlowStartMessage = Pick<Cluster_SlowStartConfig, 'slowStartWindow' | 'aggression' | 'minWeightPercent'>;

/** Nothing when it is not there, or its window is 0, which switches it off (Envoy). */
export function slowStart(
  message: SlowStartMessage | undefined,
  path: string,
  faults: Faults,
): { readonly slowStart: SlowStartConfig } | Record<never, never> {
  if (message === undefined) return {};
  const windowMs = waitMs(message.slowStartWindow, 0, at(path, 'slow_start_window'), faults);
  const aggression = message.aggression?.defaultValue ?? 1;
  if (!(aggression > 0 && aggression <= 1_000))
    faults.add(at(path, 'aggression.default_value'), `${aggression} is not above 0 and at most 1000`);
  const minWeightPercent = bounded(
    message.minWeightPercent?.value,
    10,
    0,
    100,
    at(path, 'min_weight_percent.value'),
    faults,
  );
  return windowMs === 0 ? {} : { slowStart: Object.freeze({ windowMs, aggression, minWeightPercent }) };
}
