/** The sidecar as a process: how it ends, and what it survives. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { call, eventually, StartedProcess, unusedPort } from './started-process.ts';

const folder = mkdtempSync(join(tmpdir(), 'outrigger-sidecar-'));
let app: Server;
let requests = 0;

beforeAll(async () => {
  // Never answers /stuck.
  app = createServer((incoming, response) => {
    requests++;
    if (incoming.url !== '/stuck') response.end('app');
  });
  await new Promise<void>((resolve) => app.listen(0, '127.0.0.1', resolve));
});
afterAll(() => {
  app.closeAllConnections();
  app.close();
  rmSync(folder, { recursive: true, force: true });
});

async function startSidecar(...flags: string[]): Promise<{ readonly sidecar: StartedProcess; readonly port: number }> {
  const port = await unusedPort();
  const file = join(folder, `${port}.yaml`);
  const http = 'type.googleapis.com/envoy.extensions.filters';
  writeFileSync(
    file,
    `
static_resources:
  listeners:
    - name: in
      address: { socket_address: { address: 127.0.0.1, port_value: ${port} } }
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": ${http}.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: in
                access_log: [{ name: out, typed_config: { "@type": type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog } }]
                route_config: { virtual_hosts: [{ name: all, domains: ["*"], routes: [{ match: { prefix: / }, route: { cluster: app, timeout: 0s } }] }] }
                http_filters: [{ name: envoy.filters.http.router, typed_config: { "@type": ${http}.http.router.v3.Router } }]
  clusters:
    - name: app
      type: STATIC
      connect_timeout: 1s
      load_assignment: { cluster_name: app, endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: ${(app.address() as AddressInfo).port} } } } }] }] }
`,
  );
  const sidecar = new StartedProcess(['sidecar', '--bootstrap', file, ...flags]);
  await eventually('the sidecar is ready', () => Promise.resolve(sidecar.output.includes('ready after')));
  return { sidecar, port };
}

function keepAlive(port: number, path: string): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
  return new Promise((resolve) => {
    if (path === '/stuck') socket.once('connect', () => resolve(socket));
    else socket.once('data', () => resolve(socket));
  });
}

test('SIGTERM with an idle keep-alive client ends within --drain-time', async () => {
  const { sidecar, port } = await startSidecar('--drain-time', '1');
  await keepAlive(port, '/');
  const began = performance.now();
  expect(await sidecar.stop()).toBe(0);
  expect(performance.now() - began).toBeLessThan(2_500);
});

test('SIGTERM with a request that does not end takes --drain-time, and says what it cost', async () => {
  const { sidecar, port } = await startSidecar('--drain-time', '1');
  const before = requests;
  await keepAlive(port, '/stuck');
  await eventually('the request is with the application', () => Promise.resolve(requests > before));
  const began = performance.now();
  expect(await sidecar.stop()).toBe(0);
  const tookMs = performance.now() - began;
  expect(tookMs).toBeGreaterThan(900);
  expect(tookMs).toBeLessThan(2_500);
  expect(sidecar.output).toContain('drain time is over: 1 connection is closed, with 1 request on them');
});

test('a second signal ends it at once, as the line by the first says; it has no debugger', async () => {
  const { sidecar, port } = await startSidecar('--drain-time', '30');
  sidecar.child.kill('SIGUSR1');
  const before = requests;
  await keepAlive(port, '/stuck');
  await eventually('the request is with the application', () => Promise.resolve(requests > before));
  sidecar.child.kill('SIGINT');
  await eventually('it says so', () => Promise.resolve(sidecar.output.includes('a second signal')));
  // One sender may signal twice at a time.
  await new Promise((resolve) => setTimeout(resolve, 300));
  const began = performance.now();
  expect(await sidecar.stop('SIGINT')).toBe(130);
  expect(performance.now() - began).toBeLessThan(2_000);
  expect(sidecar.output).not.toContain('Debugger');
});

test('--drain-time 0 ends at once', async () => {
  const { sidecar, port } = await startSidecar('--drain-time', '0');
  await keepAlive(port, '/');
  const began = performance.now();
  expect(await sidecar.stop()).toBe(0);
  expect(performance.now() - began).toBeLessThan(900);
});

test('goes on when the reader of its access log on stdout has gone, and when that of its log has (EPIPE)', async () => {
  const { sidecar, port } = await startSidecar('--drain-time', '0');
  const { child } = sidecar;
  child.stdout!.destroy();
  for (let i = 0; i < 5; i++) expect((await call(port, '/')).body).toBe('app');
  await eventually('it is told', () => Promise.resolve(sidecar.output.includes('access log stdout')));
  child.stderr!.destroy();
  for (let i = 0; i < 5; i++) expect((await call(port, '/')).body).toBe('app');
  expect(await sidecar.stop()).toBe(0);
});

test('goes on when the reader of its access log is stuck', async () => {
  const { sidecar, port } = await startSidecar('--drain-time', '0');
  sidecar.child.stdout!.pause();
  const path = `/${'x'.repeat(8_000)}`;
  // Well beyond what a pipe takes.
  for (let i = 0; i < 100; i++) expect((await call(port, path)).status).toBe(200);
  sidecar.child.kill('SIGKILL');
});

test('when file descriptors become few, the connections that have rested longest make room (hardening.md, resource exhaustion)', async () => {
  const { sidecar, port } = await startSidecar();
  const pid = sidecar.child.pid!;
  const descriptors = readdirSync(`/proc/${pid}/fd`).length;
  const limit = descriptors * 3;
  expect(spawnSync('prlimit', ['--pid', String(pid), `--nofile=${limit}:${limit}`]).status).toBe(0);
  let closed = 0;
  const idle: Socket[] = [];
  for (let n = 0; n < limit; n++) {
    const socket = await keepAlive(port, '/');
    socket.once('close', () => closed++);
    idle.push(socket);
  }
  expect((await call(port, '/')).body).toBe('app');
  expect(closed).toBeGreaterThan(limit / 3);
  expect(sidecar.output).toContain('closed to make room; raise the limit (ulimit -n)');
  for (const socket of idle) socket.destroy();
  expect(await sidecar.stop()).toBe(0);
});
