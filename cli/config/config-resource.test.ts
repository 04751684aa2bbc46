import { expect, test } from 'vitest';
import { resourcesOfDump, resourcesOfList } from './config-resource.ts';

const cluster = (name: string) => ({ '@type': 'Cluster', name, connect_timeout: '1s' });

test('reads the sections of /config_dump: static, dynamic, warming, with version and time', () => {
  const found = resourcesOfDump({
    configs: [
      { '@type': 'BootstrapConfigDump', bootstrap: { node: { id: 'a' } } },
      {
        '@type': 'ClustersConfigDump',
        version_info: '3',
        static_clusters: [{ cluster: cluster('xds'), last_updated: 'then' }],
        dynamic_active_clusters: [{ version_info: '7', cluster: cluster('a'), last_updated: 'now' }],
        dynamic_warming_clusters: [{ version_info: '8', cluster: cluster('b') }],
      },
      {
        '@type': 'EndpointsConfigDump',
        dynamic_endpoint_configs: [{ endpoint_config: { cluster_name: 'a', endpoints: [] } }],
      },
    ],
  });
  expect(
    found?.map(({ kind, name, origin, state, version, updated }) => [kind, name, origin, state, version, updated]),
  ).toEqual([
    ['bootstrap', 'bootstrap', 'static', 'active', '', ''],
    ['clusters', 'xds', 'static', 'active', '', 'then'],
    ['clusters', 'a', 'dynamic', 'active', '7', 'now'],
    ['clusters', 'b', 'dynamic', 'warming', '8', ''],
    ['endpoints', 'a', 'dynamic', 'active', '', ''],
  ]);
});

test('a dynamic listener has a row for each state that it is in (Envoy: active and draining at once)', () => {
  const state = (version: string) => ({ version_info: version, listener: { name: 'in', address: {} } });
  const found = resourcesOfDump({
    configs: [{ dynamic_listeners: [{ name: 'in', active_state: state('2'), draining_state: state('1') }] }],
  });
  expect(found?.map(({ name, state: shown, version }) => [name, shown, version])).toEqual([
    ['in', 'active', '2'],
    ['in', 'draining', '1'],
  ]);
});

test('what was refused says why; with no version before it there is nothing but its name', () => {
  const error_state = { details: 'connect_timeout: must be above 0' };
  const found = resourcesOfDump({
    configs: [
      {
        dynamic_active_clusters: [
          { version_info: '1', cluster: cluster('old'), error_state },
          { cluster: { '@type': 'Cluster', name: 'never' }, error_state },
        ],
      },
      { dynamic_listeners: [{ name: 'in', error_state }] },
    ],
  });
  expect(found?.map(({ name, state, fault, resource }) => [name, state, fault, resource !== null])).toEqual([
    ['old', 'active', error_state.details, true],
    ['never', 'refused', error_state.details, false],
    ['in', 'refused', error_state.details, false],
  ]);
});

test('what is neither a dump nor a list of ours is none', () => {
  for (const value of [null, 'text', {}, { configs: 'x' }, []]) expect(resourcesOfDump(value)).toBeNull();
  for (const value of [null, {}, [{}], ['x'], [{ kind: 'pods', name: 'a', resource: null }]])
    expect(resourcesOfList(value)).toBeNull();
  expect(resourcesOfList([])).toEqual([]);
});
