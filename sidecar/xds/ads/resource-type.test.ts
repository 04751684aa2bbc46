import { create, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  Cluster_DiscoveryType,
  type Cluster_LbPolicy,
  ClusterSchema,
} from '../../../proto/generated/envoy/config/cluster/v3/cluster_pb.js';
import { clusterType, endpointsType, listenerType, type ResourceType, routesType } from './resource-type.ts';
import {
  clusterBytes,
  endpointsBytes,
  invalidClusterBytes,
  invalidEndpointsBytes,
  invalidListenerBytes,
  listenerBytes,
  routesBytes,
} from './test/mesh-resources.ts';

const samples: ReadonlyArray<readonly [string, ResourceType, Uint8Array]> = [
  ['cluster', clusterType, clusterBytes('a', 1)],
  ['load assignment', endpointsType, endpointsBytes('a', 1)],
  ['listener', listenerType, listenerBytes('a', 1, 'main')],
  ['route configuration', routesType, routesBytes('a', 1, 'b')],
];

describe('decoding a resource', () => {
  it.each(samples)('gives name and value of a %s', (_what, type, bytes) => {
    expect(type.decode(bytes)).toMatchObject({ ok: true, name: 'a' });
  });

  it.each(samples)(
    'of a damaged %s ends with a value or with faults, never with an exception',
    (_what, type, bytes) => {
      const damage = fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { maxLength: 4 });
      fc.assert(
        fc.property(damage, fc.nat(bytes.length), (changes, length) => {
          const damaged = Uint8Array.from(bytes);
          for (const [at, value] of changes) damaged[at] = value;
          const result = type.decode(damaged.subarray(0, length));
          if (result.ok) expect(result.name).not.toBe('');
          else expect(result.faults.length).toBeGreaterThan(0);
        }),
        { numRuns: 400 },
      );
    },
  );

  it('says which field is at fault, and keeps the name', () => {
    expect(clusterType.decode(invalidClusterBytes('a', 1))).toEqual({
      ok: false,
      name: 'a',
      faults: ['lb_policy: a cluster of type ORIGINAL_DST takes CLUSTER_PROVIDED'],
    });
    expect(endpointsType.decode(invalidEndpointsBytes('a', 1))).toMatchObject({
      ok: false,
      name: 'a',
      faults: [
        'endpoints[0].lb_endpoints[0].endpoint.address.pipe: is not supported here: only for hosts in load_assignment of a cluster',
      ],
    });
    expect(listenerType.decode(invalidListenerBytes('a', 1))).toMatchObject({
      ok: false,
      name: 'a',
      faults: ['filter_chains[0].filters[0].typed_config: is missing'],
    });
  });

  it('refuses what a later version of the API may say, rather than take it for the default (Envoy: defined_only)', () => {
    const message = create(ClusterSchema, {
      name: 'a',
      clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.EDS },
      lbPolicy: 99 as Cluster_LbPolicy,
    });
    expect(clusterType.decode(toBinary(ClusterSchema, message))).toMatchObject({
      faults: ['lb_policy: 99 is no LbPolicy that is known to this version'],
    });
  });

  it('refuses a number that is none', () => {
    const message = create(ClusterSchema, {
      name: 'a',
      clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.EDS },
      edsClusterConfig: { edsConfig: { configSourceSpecifier: { case: 'ads', value: {} } } },
      commonLbConfig: { healthyPanicThreshold: { value: Number.NaN } },
    });
    expect(clusterType.decode(toBinary(ClusterSchema, message))).toMatchObject({
      faults: ['common_lb_config.healthy_panic_threshold.value: NaN is not between 0 and 100'],
    });
  });
});
