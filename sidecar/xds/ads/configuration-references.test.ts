import { expect, test } from 'vitest';
import type { ClusterConfig } from '../../config/cluster-config.ts';
import type { Configured } from '../../config/configuration.ts';
import type { GateConfig } from '../../config/gate-config.ts';
import { anyPath, forward, managerConfig, route, routeTable } from '../../connection-manager/test/configs.ts';
import { extAuthzConfig } from '../../filters/ext-authz/test/ext-authz-configs.ts';
import { chainConfig, listenerConfig } from '../../listener/test/listener-config.ts';
import { needsAds } from './configuration-references.ts';

const staticOnes = new Map(
  ['app', 'authz'].map((name) => [name, { value: { discovery: { kind: 'static' } } } as Configured<ClusterConfig>]),
);

function listenerWith(gates: readonly GateConfig[]) {
  const httpConnectionManager = managerConfig(routeTable([route('r', anyPath, forward('app'))]), { gates });
  return listenerConfig('inbound', 15006, { filterChains: [chainConfig('all', {}, { httpConnectionManager })] });
}

test('a listener of the bootstrap waits for ADS when its authorization service is not in the bootstrap', () => {
  expect(needsAds(listenerWith([]), staticOnes)).toBe(false);
  expect(needsAds(listenerWith([extAuthzConfig()]), staticOnes)).toBe(false);
  const other = extAuthzConfig({ service: { ...extAuthzConfig().service, cluster: 'elsewhere' } });
  expect(needsAds(listenerWith([other]), staticOnes)).toBe(true);
});
