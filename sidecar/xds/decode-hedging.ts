/** Our own extension of routes for requests that take long → HedgingConfig. */
import type { Message } from '@bufbuild/protobuf';
import type { HedgingConfig } from '../config/route-resilience-config.ts';
import type { Hedging } from './api/outrigger/resilience/v1/hedging_pb.js';
import { methodNames } from './decode-methods.ts';
import { bounded, waitMs } from './decode-value.ts';
import { at, type Faults } from './fault.ts';

const mostHedges = 10;
/** Those that only read (RFC 9110 9.2.1). */
const safeMethods = ['GET', 'HEAD', 'OPTIONS', 'TRACE'];

/** Null: it says that there is none. */
export function hedging(message: Message, path: string, faults: Faults): HedgingConfig | null {
  const { policy, when, maxHedges, methods } = message as Hedging;
  const most = bounded(maxHedges, 1, 0, mostHedges, at(path, 'max_hedges'), faults);
  const config = Object.freeze({
    policy,
    when: whenOf(when, path, most === 0, faults),
    maxHedges: most,
    methods: methodNames(methods, safeMethods, at(path, 'methods'), faults),
  });
  return most === 0 ? null : config;
}

function whenOf(when: Hedging['when'], path: string, off: boolean, faults: Faults): HedgingConfig['when'] {
  if (when.case === 'percentile') {
    const { percentile, minSamples, minDelay } = when.value;
    const here = at(path, 'percentile');
    return {
      kind: 'percentile',
      percentile: bounded(percentile, 95, 50, 99.9, at(here, 'percentile'), faults),
      minSamples: bounded(minSamples, 50, 1, 100_000, at(here, 'min_samples'), faults),
      minDelayMs: waitMs(minDelay, 10, at(here, 'min_delay'), faults),
    };
  }
  const here = at(path, 'delay');
  const delayMs = waitMs(when.value, 0, here, faults);
  if (when.case === undefined && !off) faults.add(path, 'needs delay or percentile');
  else if (delayMs === 0 && !off) faults.add(here, 'must be above 0');
  return { kind: 'delay', delayMs };
}
