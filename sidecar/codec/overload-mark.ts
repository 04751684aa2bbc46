/**
 * `x-envoy-overloaded`: how a proxy marks an answer by which it turns a request away because of load (Envoy; ours: every answer with flag `UO`). Who gets such an answer from an upstream does not ask again, and does not take the
 * host for a broken one. Only its presence counts (Envoy).
 */
import { headerName } from './header-name.ts';
import type { ResponseHead } from './message-head.ts';

export const overloadMark = headerName('x-envoy-overloaded');

/** Whether the upstream turned the request away because of its load. */
export function shedsLoad({ fields }: ResponseHead): boolean {
  return fields.has(overloadMark.lower);
}
