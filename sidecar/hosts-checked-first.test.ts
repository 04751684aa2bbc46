/** A static bootstrap with health checks: listeners open once every host was checked (Envoy's init manager). */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { systemClock } from './runtime/clock.ts';
import { Log } from './runtime/log.ts';
import { Sidecar } from './server.ts';
import { parseBootstrap } from './xds/bootstrap-file.ts';

function bootstrapText(port: number): string {
  const address = (at: number): string => `{ socket_address: { address: 127.0.0.1, port_value: ${at} } }`;
  return `
node: { id: node-1, cluster: shop/orders }
static_resources:
  listeners:
    - name: web
      address: ${address(0)}
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: web
                route_config: { virtual_hosts: [{ name: all, domains: ["*"], routes: [{ match: { prefix: / }, route: { cluster: app } }] }] }
                http_filters: [{ name: envoy.filters.http.router, typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router } }]
  clusters:
    - name: app
      type: STATIC
      load_assignment: { cluster_name: app, endpoints: [{ lb_endpoints: [{ endpoint: { address: ${address(port)} } }] }] }
      health_checks: [{ timeout: 20s, interval: 1s, unhealthy_threshold: 1, healthy_threshold: 1, http_health_check: { path: /healthz } }]
`;
}

describe('a sidecar from a static bootstrap with health checks', () => {
  it('listens once every host was checked; told to quit before, it does', async () => {
    for (const quitEarly of [false, true]) {
      const asked = Promise.withResolvers<ServerResponse>();
      const app = createServer((_request, response) => asked.resolve(response));
      await new Promise<void>((resolve) => app.listen(0, '127.0.0.1', resolve));
      const { port } = app.address() as AddressInfo;
      const result = await parseBootstrap(bootstrapText(port), 'test.yaml', systemClock.wallMs());
      if (!result.ok) throw new Error(result.faults.join('\n'));
      const stopped = Promise.withResolvers<void>();
      const sidecar = new Sidecar({
        bootstrap: result.bootstrap,
        probeAddress: null,
        drainTimeMs: 0,
        clock: systemClock,
        random: () => 0,
        log: new Log(systemClock, 'off', true, () => {}),
        commandLine: {},
        onReady: () => {},
        onStopped: stopped.resolve,
      });
      const started = sidecar.start();
      const answer = await asked.promise;
      expect(sidecar.listeners.boundPort('web') ?? null).toBeNull();
      if (!quitEarly) {
        answer.end();
        await started;
        expect(sidecar.listeners.boundPort('web')).toBeGreaterThan(0);
      }
      sidecar.quit();
      await Promise.all([started, stopped.promise]);
      app.closeAllConnections();
      app.close();
    }
  });
});
