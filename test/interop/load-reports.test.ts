/** Load reports (LRS) to our control plane: of a real Envoy, of our sidecar from the same bootstrap, and of one that writes its bootstrap itself. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePorts } from '../peers/free-port.ts';
import { waitFor } from '../peers/started-program.ts';
import { adsBootstrap, type Json } from './envoy-resources.ts';
import { ask } from './exchange.ts';
import { mesh, service } from './mesh-configuration.ts';
import { Stage } from './programs.ts';

interface LoadRow {
  readonly source: string;
  readonly destination: string;
  readonly port: number;
  readonly requestsPerSecond: number;
  readonly errorShare: number | null;
  readonly proxies: number;
}

/** One who asks 10 s apart, and is told after that. */
const patienceMs = 25_000;

describe.each(['envoy', 'sidecar', 'service sidecar'] as const)('%s', (program) => {
  const stage = new Stage();
  let xdsPort: number;
  let planeAdmin: number;
  let port: number;

  beforeAll(async () => {
    const ports = (await freePorts(6)) as [number, number, number, number, number, number];
    const [, , proxyAdmin, outbound, inbound, probes] = ports;
    [xdsPort, planeAdmin] = ports;
    port = outbound;
    const { httpPort } = await stage.backend('a');
    const config = stage.file('mesh.yaml', mesh(service('orders', [httpPort])));
    const dataFolder = join(stage.folder, 'data');
    await stage.controlPlane({ config, port: xdsPort, adminPort: planeAdmin, dataFolder });
    if (program === 'service sidecar') {
      await stage.serviceSidecar('storefront', proxyAdmin, [
        ...['--service', 'shop/storefront', '--control-plane', `127.0.0.1:${xdsPort}`],
        ...['--admin', `127.0.0.1:${proxyAdmin}`, '--listen-metrics', `127.0.0.1:${probes}`],
        ...['--outbound-listen', `127.0.0.1:${outbound}`, '--inbound-listen', `127.0.0.1:${inbound}`],
        ...['--app-port', String(httpPort), '--no-identity', '--no-register'],
      ]);
      return;
    }
    const node: Json = {
      id: 'load',
      cluster: 'shop/storefront',
      metadata: { outbound_listen: `127.0.0.1:${outbound}`, inbound_listen: `127.0.0.1:${inbound}` },
    };
    const bootstrap = adsBootstrap({ node, adminPort: proxyAdmin, xdsPort, variant: 'DELTA_GRPC' }) as object;
    const lrs = {
      api_type: 'GRPC',
      transport_api_version: 'V3',
      grpc_services: [{ envoy_grpc: { cluster_name: 'control_plane' } }],
    };
    await stage[program]({ ...bootstrap, cluster_manager: { load_stats_config: lrs } } as Json);
  });
  afterAll(() => stage.stop());

  const loads = async (): Promise<readonly LoadRow[]> => {
    const response = await fetch(`http://127.0.0.1:${planeAdmin}/api/v1/loads`);
    return response.status === 200 ? ((await response.json()) as readonly LoadRow[]) : [];
  };

  it('tells who calls whom, how often and how it goes', { timeout: 60_000 }, async () => {
    const found = await waitFor('a row of this load', patienceMs, async () => {
      for (const path of ['/', '/', '/status/500', '/'])
        await ask(port, { host: 'orders.shop', path }).catch(() => null);
      return (await loads()).find(({ requestsPerSecond }) => requestsPerSecond > 0);
    });
    expect(found).toMatchObject({ source: 'shop/storefront', destination: 'shop/orders', port: 80, proxies: 1 });
    expect(found.errorShare).not.toBeNull();
    const { output } = await stage.outrigger(['get', 'loads', '--control-plane-admin', `127.0.0.1:${planeAdmin}`]);
    expect(output).toMatch(/FROM +TO +PORT .*\n.*shop\/storefront +shop\/orders +80/i);
  });

  it('is forgotten when the traffic is over', { timeout: 60_000 }, async () => {
    await waitFor('a report without that load', patienceMs, async () =>
      (await loads()).every(({ requestsPerSecond }) => requestsPerSecond === 0),
    );
  });
});
