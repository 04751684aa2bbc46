/** A listener that came by xDS and whose port is taken: the sidecar goes on, the control plane hears why, and the listener is there once the port is free. Real processes and sockets. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { adsBootstrap } from './ads-bootstrap.ts';
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

/** A control plane with the service shop/web. */
async function startControlPlane(name: string): Promise<string> {
  const file = join(folder, `${name}.yaml`);
  writeFileSync(file, configuration('web'));
  const adminPort = await unusedPort();
  const controlPlane = `127.0.0.1:${await unusedPort()}`;
  start(
    ...['control-plane', '--config', file, '--data-dir', join(folder, name)],
    ...['--listen', controlPlane, '--listen-admin', `127.0.0.1:${adminPort}`],
  );
  await eventually('the control plane is ready', async () => (await call(adminPort, '/healthz/ready')).status === 200);
  return controlPlane;
}

async function holdPort(): Promise<{ readonly port: number; free(): Promise<void> }> {
  const holder = createServer();
  // Not one that the system gives away: a connection could have it as soon as it is free.
  const port = await unusedPort();
  await new Promise<void>((resolve) => holder.listen(port, '127.0.0.1', resolve));
  const free = (): Promise<void> => new Promise((resolve) => holder.close(() => resolve()));
  return { port, free };
}

async function output(...args: string[]): Promise<string> {
  const asked = new StartedProcess(args);
  await asked.exited;
  return asked.output;
}

test.concurrent.each(['GRPC', 'DELTA_GRPC'] as const)(
  'a listener of a bootstrap whose port is taken is refused, and taken by itself once it can be bound (%s)',
  async (apiType) => {
    const controlPlane = await startControlPlane(apiType);
    const { port, free } = await holdPort();
    const file = join(folder, `${apiType}-bootstrap.yaml`);
    writeFileSync(
      file,
      adsBootstrap({
        nodeId: `web-${apiType}`,
        service: 'shop/web',
        controlPlanePort: Number(controlPlane.split(':')[1]),
        outboundListen: `127.0.0.1:${port}`,
        inboundListen: '127.0.0.1:0',
        apiType,
      }),
    );
    const sidecar = start('sidecar', '--bootstrap', file, '--drain-time', '0');
    const status = (): Promise<string> => output('status', '--control-plane', controlPlane);
    await eventually('the control plane knows why', async () =>
      (await status()).includes(`the port is taken by pid ${process.pid}`),
    );
    expect(sidecar.output).toContain('ready after');
    await free();
    await eventually('the listener is there', async () => (await call(port, '/')).status === 404);
    await eventually('the control plane knows it', async () => !(await status()).includes('the port is taken'));
    expect(sidecar.output).toContain('listener \\"outbound\\" could be made now');
    // Once, however often it tried. (A try that fails just as the port becomes free finds nobody, and says that.)
    expect(sidecar.output.match(new RegExp(`cannot listen on .*pid ${process.pid}`, 'g'))).toHaveLength(1);
  },
);

test.concurrent('the sidecar of a service ends with one line when a port of its own is taken, and registers nobody', async () => {
  const controlPlane = await startControlPlane('service');
  const { port, free } = await holdPort();
  const taken = `the port is taken by pid ${process.pid}`;
  for (const flag of ['--inbound-listen', '--outbound-listen']) {
    const other = flag === '--inbound-listen' ? '--outbound-listen' : '--inbound-listen';
    const listen = [flag, `127.0.0.1:${port}`, other, '127.0.0.1:0'];
    const sidecar = start(
      ...[
        'sidecar',
        '--service',
        'shop/web',
        '--app-port',
        String(await unusedPort()),
        '--control-plane',
        controlPlane,
      ],
      ...['--no-identity', '--admin', '127.0.0.1:0', '--listen-metrics', 'off', ...listen],
    );
    expect(await sidecar.exited).toBe(1);
    expect(sidecar.output).toContain(`outrigger: cannot listen on 127.0.0.1:${port}: ${taken}`);
    expect(sidecar.output).toContain(`; choose another with ${flag}\n`);
    expect(sidecar.output).not.toMatch(/ready after|registered as|listener/);
    const run = start(
      ...['run', '--service', 'shop/web', '--port', String(await unusedPort()), '--control-plane', controlPlane],
      ...['--no-identity', ...listen, '--', 'echo', 'started'],
    );
    expect(await run.exited).toBe(1);
    expect(run.output).toMatch(
      new RegExp(`^outrigger: cannot listen on 127.0.0.1:${port}: ${taken} \\(.*\\); choose another with ${flag}\n$`),
    );
  }
  const run = start(
    ...['run', '--service', 'shop/web', '--port', String(await unusedPort()), '--control-plane', controlPlane],
    ...['--no-identity', '--sidecar-admin', `127.0.0.1:${port}`, '--', 'echo', 'started'],
  );
  expect(await run.exited).toBe(1);
  expect(run.output).toMatch(/; choose another with --sidecar-admin\n$/);
  expect(await output('get', 'endpoints', '--control-plane', controlPlane)).not.toContain(String(port));
  await free();
});
