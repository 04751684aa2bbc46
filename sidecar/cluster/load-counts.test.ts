import { expect, test } from 'vitest';
import { ClusterManager } from './cluster-manager.ts';
import { type ClusterLoad, LoadCounts } from './load-counts.ts';
import {
  assignment,
  clusterConfig,
  configuration,
  endpoint,
  locality,
  ScriptedRequest,
  ScriptedUpstream,
} from './test/scripted-upstream.ts';

const config = clusterConfig({
  name: 'a',
  statName: 'a',
  discovery: { kind: 'eds', serviceName: 'a-service' },
  loadBalancing: { kind: 'round-robin' },
});
const zone = (name: string, ...addresses: string[]) => ({
  ...locality(addresses.map((address) => endpoint(address))),
  zone: name,
});
const inTwoZones = { 'a-service': assignment(zone('north', '10.0.0.1:80'), zone('south', '10.0.0.2:80')) };

function rig() {
  const upstream = new ScriptedUpstream();
  const clusters = new ClusterManager(upstream.context);
  clusters.apply(configuration([config], inTwoZones));
  const counts = new LoadCounts(clusters);
  const ask = (): ScriptedRequest => {
    const request = new ScriptedRequest(clusters.cluster('a')!).ask();
    upstream.connectAll();
    return request;
  };
  const zones = (loads: readonly ClusterLoad[]) =>
    Object.fromEntries(
      loads.flatMap(({ localities }) =>
        localities.map(({ zone, successes, errors, issued, inProgress }) => [
          zone,
          [issued, successes, errors, inProgress],
        ]),
      ),
    );
  return { upstream, clusters, counts, ask, zones };
}

test('tells by locality what came since it was last asked, and what is in progress now', () => {
  const { counts, ask, zones } = rig();
  ask().stream!.finish();
  counts.begin(null, 0);
  expect(counts.take(null, 0, 1_000)).toEqual([]);
  const one = ask();
  const other = ask();
  one.stream!.finish();
  const [load] = counts.take(null, 1_000, 3_000);
  expect(load).toMatchObject({ name: 'a', serviceName: 'a-service', intervalMs: 2_000, dropped: [] });
  const north = one.host!.address === '10.0.0.1:80';
  expect(zones([load!])).toEqual({
    [north ? 'north' : 'south']: [1, 1, 0, 0],
    [north ? 'south' : 'north']: [1, 0, 0, 1],
  });
  other.stream!.connection.closeByPeer();
  expect(zones(counts.take(null, 3_000, 4_000))).toEqual({ [north ? 'south' : 'north']: [0, 0, 1, 0] });
  expect(counts.take(null, 4_000, 5_000)).toEqual([]);
});

test('goes by name where names are asked for, and begins then', () => {
  const { counts, ask } = rig();
  counts.begin(new Set(['b']), 0);
  ask().stream!.finish();
  expect(counts.take(new Set(['b']), 0, 1_000)).toEqual([]);
  counts.begin(new Set(['a']), 1_000);
  expect(counts.take(new Set(['a']), 1_000, 2_000)).toEqual([]);
});

test('a cluster that is new since the last report counts from there; a replaced one goes on with its new hosts', () => {
  const { upstream, clusters, counts, ask } = rig();
  counts.begin(null, 0);
  clusters.apply(configuration([{ ...config }], inTwoZones));
  ask().stream!.finish();
  expect(counts.take(null, 0, 1_000)).toMatchObject([{ intervalMs: 1_000, localities: [{ issued: 1 }] }]);
  const added = clusterConfig({ name: 'b', statName: 'b', discovery: { kind: 'eds', serviceName: 'a-service' } });
  clusters.apply(configuration([config, added], inTwoZones));
  new ScriptedRequest(clusters.cluster('b')!).ask();
  upstream.connectAll();
  expect(counts.take(null, 1_000, 4_000)).toMatchObject([
    { name: 'b', intervalMs: 3_000, localities: [{ issued: 1, inProgress: 1 }] },
  ]);
});

test('tells what was refused beyond the limits of the cluster (load_report.proto: total_dropped_requests)', () => {
  const { clusters, counts } = rig();
  clusters.apply(configuration([{ ...config, limits: { ...config.limits, maxPendingRequests: 0 } }], inTwoZones));
  counts.begin(null, 0);
  expect(new ScriptedRequest(clusters.cluster('a')!).ask().error).toMatchObject({ flag: 'UO' });
  expect(counts.take(null, 0, 1_000)).toMatchObject([
    { dropped: [{ category: 'overflow', count: 1 }], localities: [] },
  ]);
});
