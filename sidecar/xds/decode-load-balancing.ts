/** How a cluster chooses hosts: `load_balancing_policy` where it is there, else `lb_policy` and the options beside it. */
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import type { ClusterConfig } from '../config/cluster-config.ts';
import { type Cluster, Cluster_LbPolicy, type LoadBalancingPolicy } from './api/envoy/config/cluster/v3/cluster_pb.js';
import type { LeastRequest } from './api/envoy/extensions/load_balancing_policies/least_request/v3/least_request_pb.js';
import type { RoundRobin } from './api/envoy/extensions/load_balancing_policies/round_robin/v3/round_robin_pb.js';
import type { PeakEwma } from './api/outrigger/load_balancing/v1/peak_ewma_pb.js';
import { apiRegistry } from './api-registry.ts';
import { slowStart } from './decode-slow-start.ts';
import { bounded, waitMs } from './decode-value.ts';
import { at, type Faults } from './fault.ts';

/** More choices than this are a scan. */
const mostChoices = 64;

type LoadBalancing = ClusterConfig['loadBalancing'];

export function loadBalancing(message: Cluster, path: string, faults: Faults): LoadBalancing {
  if (message.loadBalancingPolicy !== undefined)
    return fromPolicies(message.loadBalancingPolicy, at(path, 'load_balancing_policy'), faults);
  switch (message.lbPolicy) {
    case Cluster_LbPolicy.ROUND_ROBIN:
      return roundRobin(
        message.lbConfig.case === 'roundRobinLbConfig' ? message.lbConfig.value.slowStartConfig : undefined,
        at(path, 'round_robin_lb_config'),
        faults,
      );
    case Cluster_LbPolicy.LEAST_REQUEST: {
      const options = message.lbConfig.case === 'leastRequestLbConfig' ? message.lbConfig.value : undefined;
      return leastRequest(options, at(path, 'least_request_lb_config'), faults);
    }
    case Cluster_LbPolicy.RANDOM:
      return { kind: 'random' };
    // Nothing is chosen: the destination of the caller's connection is the host.
    case Cluster_LbPolicy.CLUSTER_PROVIDED:
      return { kind: 'random' };
    default:
      faults.add(
        at(path, 'lb_policy'),
        `${Cluster_LbPolicy[message.lbPolicy] ?? message.lbPolicy} is not supported; see docs/xds-support.md`,
      );
      return { kind: 'round-robin' };
  }
}

/** The first one: all that may stand here are known, others are refused where they stand. */
function fromPolicies({ policies }: LoadBalancingPolicy, path: string, faults: Faults): LoadBalancing {
  const any = policies[0]?.typedExtensionConfig?.typedConfig;
  const here = `${at(path, 'policies')}[0].typed_extension_config.typed_config`;
  // One that cannot be read was told as such.
  const policy = any === undefined || !readable(any.typeUrl) ? undefined : anyUnpack(any, apiRegistry);
  switch (policy?.$typeName as string | undefined) {
    case 'outrigger.load_balancing.v1.PeakEwma':
      return peakEwma(policy as PeakEwma, here, faults);
    case 'envoy.extensions.load_balancing_policies.least_request.v3.LeastRequest':
      return leastRequest(policy as LeastRequest, here, faults);
    case 'envoy.extensions.load_balancing_policies.round_robin.v3.RoundRobin':
      return roundRobin((policy as RoundRobin).slowStartConfig, here, faults);
    case 'envoy.extensions.load_balancing_policies.random.v3.Random':
      return { kind: 'random' };
    default:
      faults.add(here, 'is not a load balancer that is supported; see docs/xds-support.md');
      return { kind: 'round-robin' };
  }
}

function readable(typeUrl: string): boolean {
  return apiRegistry.getMessage(typeUrl.slice(typeUrl.lastIndexOf('/') + 1)) !== undefined;
}

function roundRobin(slow: Parameters<typeof slowStart>[0], path: string, faults: Faults): LoadBalancing {
  return { kind: 'round-robin', ...slowStart(slow, at(path, 'slow_start_config'), faults) };
}

function leastRequest(
  options: { choiceCount?: number | undefined; slowStartConfig?: Parameters<typeof slowStart>[0] } | undefined,
  path: string,
  faults: Faults,
): LoadBalancing {
  const choiceCount = options?.choiceCount ?? 2;
  if (choiceCount < 2) faults.add(at(path, 'choice_count'), 'must be at least 2');
  return {
    kind: 'least-request',
    choiceCount,
    ...slowStart(options?.slowStartConfig, at(path, 'slow_start_config'), faults),
  };
}

function peakEwma(message: PeakEwma, path: string, faults: Faults): LoadBalancing {
  const decayMs = waitMs(message.decayTime, 10_000, at(path, 'decay_time'), faults);
  if (decayMs < 1) faults.add(at(path, 'decay_time'), 'must be at least 1 ms');
  return {
    kind: 'peak-ewma',
    decayMs,
    errorPenaltyMs: waitMs(message.errorPenalty, 1_000, at(path, 'error_penalty'), faults),
    choiceCount: bounded(message.choiceCount, 2, 2, mostChoices, at(path, 'choice_count'), faults),
  };
}
