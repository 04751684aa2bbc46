/** What `typed_per_filter_config` says of the router itself by extensions of ours: hedging and fallbacks. The rest of the map is of gates; see decode-route-gates.ts. */
import { type Any, anyUnpack } from '@bufbuild/protobuf/wkt';
import type { RouteConfig } from '../config/route-config.ts';
import type { FallbackConfig, HedgingConfig } from '../config/route-resilience-config.ts';
import { apiRegistry } from './api-registry.ts';
import { fallback } from './decode-fallback.ts';
import { hedging } from './decode-hedging.ts';
import { at, type Faults } from './fault.ts';

export interface RouterExtensions {
  /** Null: there is none. */
  readonly hedging: HedgingConfig | null;
  readonly fallback: FallbackConfig | null;
}

export const noRouterExtensions: RouterExtensions = Object.freeze({ hedging: null, fallback: null });

const types = {
  hedging: 'outrigger.resilience.v1.Hedging',
  fallback: 'outrigger.resilience.v1.Fallback',
};
const names = { hedging: 'outrigger.hedging', fallback: 'outrigger.fallback' };

/** A message of that type is decoded here. */
export function isRouterExtension(typeName: string): boolean {
  return typeName === types.hedging || typeName === types.fallback;
}

/** `outer`: of the level above; what is said here comes before it. `path`: of the field. */
export function routerExtensions(
  perFilter: Readonly<Record<string, Any>>,
  outer: RouterExtensions,
  path: string,
  faults: Faults,
): RouterExtensions {
  let found = outer;
  for (const [name, any] of Object.entries(perFilter)) {
    const message = anyUnpack(any, apiRegistry);
    if (message === undefined || !isRouterExtension(message.$typeName)) continue;
    const here = `${path}["${name}"]`;
    const kind = message.$typeName === types.hedging ? 'hedging' : 'fallback';
    if (name !== names[kind]) faults.add(here, `stands under another name than ${names[kind]}`);
    found =
      kind === 'hedging'
        ? { ...found, hedging: hedging(message, here, faults) }
        : { ...found, fallback: fallback(message, here, faults) };
  }
  return found;
}

/** What a route remembers of its requests, how long they take and the last good answers, it remembers by its name. */
export function namedMemory(routes: readonly RouteConfig[], path: string, faults: Faults): void {
  for (const [i, { name, action }] of routes.entries()) {
    if (name !== '' || action.kind !== 'forward') continue;
    if (action.hedging?.when.kind === 'percentile')
      faults.add(at(at(path, i), 'name'), 'is missing: what requests take is remembered by the name of their route');
    if (action.fallback !== null && action.fallback.stale !== null)
      faults.add(at(at(path, i), 'name'), 'is missing: the last good answers are kept by the name of their route');
  }
}
