/** Response flags in words: Envoy's long names, and ours for flags that Envoy has not. */

export const responseFlagNames: Readonly<Record<string, string>> = {
  CB: 'CircuitBreakerOpen',
  DC: 'DownstreamConnectionTermination',
  DF: 'DnsResolutionFailed',
  DI: 'DelayInjected',
  DO: 'DropOverload',
  DPE: 'DownstreamProtocolError',
  DR: 'DownstreamRemoteReset',
  DT: 'DurationTimeout',
  FB: 'Fallback',
  FI: 'FaultInjected',
  IH: 'InvalidEnvoyRequestHeaders',
  LH: 'FailedLocalHealthCheck',
  LR: 'LocalReset',
  NC: 'NoClusterFound',
  NFCF: 'NoFilterConfigFound',
  NR: 'NoRouteFound',
  OM: 'OverloadManagerTerminated',
  RBAC: 'RbacAccessDenied',
  RFCF: 'ResponseFromCacheFilter',
  RL: 'RateLimited',
  RLSE: 'RateLimitServiceError',
  SI: 'StreamIdleTimeout',
  UAEX: 'UnauthorizedExternalService',
  UC: 'UpstreamConnectionTermination',
  UF: 'UpstreamConnectionFailure',
  UH: 'NoHealthyUpstream',
  UMSDR: 'UpstreamMaxStreamDurationReached',
  UO: 'UpstreamOverflow',
  UPE: 'UpstreamProtocolError',
  UR: 'UpstreamRemoteReset',
  URX: 'UpstreamRetryLimitExceeded',
  UT: 'UpstreamRequestTimeout',
};

/** `URX,UF` → the same in words. */
export function longFlags(flags: string): string {
  return flags
    .split(',')
    .map((flag) => responseFlagNames[flag] ?? flag)
    .join(',');
}
