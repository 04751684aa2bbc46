/** A listener that came by xDS and whose port is taken: the sidecar goes on, the control plane hears why, and the listener is there once the port is free. Real processes and sockets. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { call, eventually, StartedProcess, unusedPort } from './started-process.ts';

const folder = mkdtempSync(join(tmpdir(), 'outrigger-taken-port-'));
const processes: StartedProcess[] = [];

afterAll(async () => {
  await Promise.all(processes.map((started) => started.stop()));
  rmSync(folder, { recursive: true, force: true });
});

function configuration(...services: string[]): string {
  return services
    .map(
      (name) => `
apiVersion: outrigger.dev/v1
kind: Service
metadata: { name: ${name}, namespace: shop }
spec: { ports: [{ name: http, port: 80, appProtocol: http }] }
`,
    )
    .join('---');
}

function start(...args: string[]): StartedProcess {
  const started = new StartedProcess(args);
  processes.push(started);
  return started;
}

test.each(['sotw', 'delta'])(
  'a listener whose port is taken is refused, and taken when it can be bound (%s)',
  async (xds) => {
    const file = join(folder, `${xds}.yaml`);
    writeFileSync(file, configuration('web'));
    const holder = createServer();
    await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve));
    const { port } = holder.address() as AddressInfo;
    // An instance is registered when its application listens.
    const application = createServer();
    await new Promise<void>((resolve) => application.listen(0, '127.0.0.1', resolve));
    const appPort = (application.address() as AddressInfo).port;
    const xdsPort = await unusedPort();
    const controlPlane = `127.0.0.1:${xdsPort}`;
    start(
      ...['control-plane', '--config', file, '--data-dir', join(folder, xds)],
      ...['--listen', controlPlane, '--listen-admin', '127.0.0.1:0'],
    );
    const sidecar = start(
      'sidecar',
      ...['--service', 'shop/web', '--app-port', String(appPort), '--control-plane', controlPlane, '--xds', xds],
      ...['--outbound-listen', `127.0.0.1:${port}`, '--inbound-listen', '127.0.0.1:0'],
      ...['--admin', '127.0.0.1:0', '--listen-metrics', 'off', '--drain-time', '0'],
    );
    const status = async (): Promise<string> => {
      const asked = new StartedProcess(['status', '--control-plane', controlPlane]);
      await asked.exited;
      return asked.output;
    };
    await eventually('the control plane knows why', async () => (await status()).includes('the port is taken'));
    expect(sidecar.output.match(/cannot listen on/g)).toHaveLength(1);
    await eventually('it is registered all the same', async () =>
      sidecar.output.includes('registered as an instance of shop/web'),
    );
    await new Promise<void>((resolve) => {
      holder.close(() => resolve());
    });
    writeFileSync(file, configuration('web', 'orders'));
    await eventually('the listener is there', async () => (await call(port, '/')).status === 404);
    application.close();
    await eventually('the control plane knows it', async () => !(await status()).includes('the port is taken'));
  },
);
