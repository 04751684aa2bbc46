/** Shares of requests: FractionalPercent → FractionConfig. */
import type { FractionConfig } from '../config/fault-config.ts';
import type { RuntimeFractionalPercent } from './api/envoy/config/core/v3/base_pb.js';
import { type FractionalPercent, FractionalPercent_DenominatorType } from './api/envoy/type/v3/percent_pb.js';

/** Absent: none of them, as in Envoy. More than all is all. */
export function fraction(message: FractionalPercent | undefined): FractionConfig {
  return Object.freeze({ numerator: message?.numerator ?? 0, denominator: denominatorOf(message) });
}

export function runtimeFraction(message: RuntimeFractionalPercent | undefined): FractionConfig {
  return fraction(message?.defaultValue);
}

function denominatorOf(message: FractionalPercent | undefined): number {
  switch (message?.denominator) {
    case FractionalPercent_DenominatorType.TEN_THOUSAND:
      return 10_000;
    case FractionalPercent_DenominatorType.MILLION:
      return 1_000_000;
    default:
      return 100;
  }
}
