/**
 * FaultPolicies → Envoy's fault filter, on the inbound chain of the workloads that they are for: there everybody meets the fault, also who comes past the callers' sidecars, and who calls is proven. One filter for each rule,
 * behind those that decide whether the request may pass at all.
 */
import { create } from '@bufbuild/protobuf';
import {
  type HTTPFault,
  HTTPFaultSchema,
} from '../../proto/generated/envoy/extensions/filters/http/fault/v3/fault_pb.js';
import type { HttpFilter } from '../../proto/generated/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import {
  type FractionalPercent,
  FractionalPercent_DenominatorType,
  FractionalPercentSchema,
} from '../../proto/generated/envoy/type/v3/percent_pb.js';
import type { FaultRule } from '../config-kind/policy-resource.ts';
import type { Faults } from '../model/policy-set.ts';
import { durationOf } from './api-values.ts';
import { httpFilter } from './encode-http-manager.ts';
import { encodeRequestMatch } from './encode-request-match.ts';
import { KeptByParts } from './kept-by-parts.ts';

const filterName = 'envoy.filters.http.fault';

const kept = new KeptByParts<HttpFilter>();

/** Of policies that are over nothing is left. */
export function encodeFaultFilters(policies: readonly Faults[], trustDomain: string): HttpFilter[] {
  return policies
    .filter(({ over }) => !over)
    .flatMap((policy) => policy.faults.map((rule) => ({ policy, rule })))
    .map(({ policy, rule }, at) =>
      kept.get([policy, rule], `${at} ${trustDomain}`, () =>
        httpFilter(
          at === 0 ? filterName : `${filterName}.${at}`,
          HTTPFaultSchema,
          httpFault(rule, policy, trustDomain),
        ),
      ),
    );
}

function httpFault(
  { match, delay, abort, responseRate }: FaultRule,
  { namespace, name, maxActive }: Faults,
  trustDomain: string,
): HTTPFault {
  return create(HTTPFaultSchema, {
    headers: encodeRequestMatch(match, trustDomain),
    ...(delay === null
      ? {}
      : {
          delay: {
            faultDelaySecifier: { case: 'fixedDelay', value: durationOf(delay.durationMs) },
            percentage: share(delay.percent),
          },
        }),
    ...(abort === null
      ? {}
      : {
          abort: {
            errorType: { case: abort.type === 'http' ? 'httpStatus' : 'grpcStatus', value: abort.status },
            percentage: share(abort.percent),
          },
        }),
    ...(responseRate === null
      ? {}
      : {
          responseRateLimit: {
            limitType: { case: 'fixedLimit', value: { limitKbps: BigInt(responseRate.kibPerSecond) } },
            percentage: share(responseRate.percent),
          },
        }),
    ...(maxActive === null ? {} : { maxActiveFaults: maxActive }),
    // What our sidecar names in answers and logs; in formats of one's own: %DYNAMIC_METADATA(envoy.filters.http.fault:policy)%.
    filterMetadata: { policy: `FaultPolicy ${namespace}/${name}` },
  });
}

function share(percent: number): FractionalPercent {
  const whole = Number.isInteger(percent);
  return create(FractionalPercentSchema, {
    numerator: whole ? percent : Math.round(percent * 10_000),
    denominator: whole ? FractionalPercent_DenominatorType.HUNDRED : FractionalPercent_DenominatorType.MILLION,
  });
}
