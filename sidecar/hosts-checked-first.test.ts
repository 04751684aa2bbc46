/** A static bootstrap with health checks: listeners open once every host was checked (Envoy's init manager). */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { makeSidecar } from './admin/test/running-sidecar.ts';

const checks =
  'health_checks: [{ timeout: 20s, interval: 1s, unhealthy_threshold: 1, healthy_threshold: 1, http_health_check: { path: /healthz } }]';

describe('a sidecar from a static bootstrap with health checks', () => {
  it('listens once every host was checked; told to quit before, it does', async () => {
    for (const quitEarly of [false, true]) {
      const asked = Promise.withResolvers<ServerResponse>();
      const app = createServer((_request, response) => asked.resolve(response));
      await new Promise<void>((resolve) => app.listen(0, '127.0.0.1', resolve));
      const { sidecar, stopped } = await makeSidecar((app.address() as AddressInfo).port, checks);
      const started = sidecar.start();
      const answer = await asked.promise;
      expect(sidecar.listeners.boundPort('web') ?? null).toBeNull();
      if (!quitEarly) {
        answer.end();
        await started;
        expect(sidecar.listeners.boundPort('web')).toBeGreaterThan(0);
      }
      sidecar.quit();
      await Promise.all([started, stopped]);
      app.closeAllConnections();
      app.close();
    }
  });
});
