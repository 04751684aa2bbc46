/** From the configuration of a connection manager's gates to the gates. An unknown kind cannot be: the decoder refuses it, and the type has no other. */
import type { GateConfig } from '../config/gate-config.ts';
import type { HttpConnectionManagerConfig } from '../config/listener-config.ts';
import type { HttpContext } from '../connection-manager/http-context.ts';
import type { MovingLimit } from './inbound-limits/inbound-limiter.ts';
import { LazyGate } from './lazy-gate.ts';
import { RbacGate } from './rbac/rbac-gate.ts';
import type { RequestGate } from './request-gate.ts';
import { adaptiveBehind, isShared } from './shared-gates.ts';

/** The gates in the order of the configuration; made once per connection manager, but for those that managers of one listener share. */
export function makeGates(
  config: HttpConnectionManagerConfig,
  context: HttpContext,
  listenerName: string,
): readonly RequestGate[] {
  const { gates } = config;
  const made = new Map<GateConfig, RequestGate>();
  // From the last on: limits know the adaptive concurrency filter behind them.
  for (let at = gates.length - 1; at >= 0; at--) {
    const gate = gates[at]!;
    const make = (): RequestGate => makeGate(gate, config, context, movingLimit(made.get(adaptiveBehind(gates, at)!)));
    const { sharedGates } = context;
    made.set(
      gate,
      sharedGates !== undefined && isShared(gate)
        ? sharedGates.get(listenerName, gates, at, () => make() as LazyGate)
        : make(),
    );
  }
  return gates.map((gate) => made.get(gate)!);
}

/** Of the adaptive concurrency filter, once its code is there. */
function movingLimit(adaptive: RequestGate | undefined): () => MovingLimit | null {
  return adaptive instanceof LazyGate ? () => adaptive.gate as (RequestGate & MovingLimit) | null : () => null;
}

function makeGate(
  gate: GateConfig,
  manager: HttpConnectionManagerConfig,
  context: HttpContext,
  moving: () => MovingLimit | null,
): RequestGate {
  switch (gate.kind) {
    case 'jwt-authn':
      return new LazyGate(gate.filterName, async () => {
        const { JwtAuthnGate } = await import('./jwt-authn/jwt-authn-gate.ts');
        return new JwtAuthnGate(gate, manager.statPrefix, context);
      });
    case 'ext-authz':
      return new LazyGate(gate.filterName, async () => {
        const { ExtAuthzGate } = await import('./ext-authz/ext-authz-gate.ts');
        return new ExtAuthzGate(gate, manager.statPrefix, context);
      });
    case 'fault':
      return new LazyGate(gate.filterName, async () => {
        const { FaultGate } = await import('./fault/fault-gate.ts');
        return new FaultGate(gate, manager.statPrefix, context);
      });
    case 'local-ratelimit':
      return new LazyGate(gate.filterName, async () => {
        const { LocalRateLimitGate } = await import('./local-ratelimit/local-ratelimit-gate.ts');
        return new LocalRateLimitGate(gate, manager, context);
      });
    case 'ratelimit':
      return new LazyGate(gate.filterName, async () => {
        const { RateLimitGate } = await import('./ratelimit/ratelimit-gate.ts');
        return new RateLimitGate(gate, manager, context);
      });
    case 'adaptive-concurrency':
      return new LazyGate(gate.filterName, async () => {
        const { AdaptiveConcurrencyGate } = await import('./adaptive-concurrency/adaptive-concurrency-gate.ts');
        return new AdaptiveConcurrencyGate(gate, manager.statPrefix, context);
      });
    case 'admission-control':
      return new LazyGate(gate.filterName, async () => {
        const { AdmissionControlGate } = await import('./admission-control/admission-control-gate.ts');
        return new AdmissionControlGate(gate, manager.statPrefix, context);
      });
    case 'inbound-limits':
      return new LazyGate(gate.filterName, async () => {
        const { InboundLimitsGate } = await import('./inbound-limits/inbound-limits-gate.ts');
        return new InboundLimitsGate(gate, context, moving);
      });
    case 'rbac':
      return new RbacGate(gate, manager.statPrefix, manager, context);
  }
}
