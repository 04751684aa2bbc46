/** How a control plane starts, or does not: beside broken configuration, with and without a last good one. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type RunningControlPlane, startControlPlane } from './control-plane.ts';

let base: string;
let running: RunningControlPlane | null;
let logged: string[];

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'outrigger-control-plane-'));
  mkdirSync(join(base, 'mesh'));
  running = null;
  logged = [];
});
afterEach(async () => {
  await running?.close();
  rmSync(base, { recursive: true, force: true });
});

const service = (port: number | string): string =>
  `apiVersion: outrigger.dev/v1\nkind: Service\nmetadata: { name: orders, namespace: shop }\nspec:\n  ports: [{ port: ${port} }]\n`;

async function start(dataDir: string): Promise<RunningControlPlane> {
  running = await startControlPlane({
    configPaths: [join(base, 'mesh')],
    dataDir,
    listen: { host: '127.0.0.1', port: 0 },
    identity: null,
    listenAdmin: { host: '127.0.0.1', port: 0 },
    log: pino({ level: 'info', base: null }, { write: (line) => void logged.push(line) }),
  });
  return running;
}

test('a port that is taken is refused with its flag, and with who has it as far as its starter knows', async () => {
  const { port, adminPort } = await start(join(base, 'data'));
  const second = (ports: { readonly listen?: number; readonly listenAdmin?: number }): Promise<string> =>
    startControlPlane({
      configPaths: [],
      dataDir: join(base, 'second'),
      listen: { host: '127.0.0.1', port: ports.listen ?? 0 },
      identity: null,
      listenAdmin: { host: '127.0.0.1', port: ports.listenAdmin ?? 0 },
      log: pino({ level: 'silent' }),
      portTaken: (taken) => `the port is taken by the holder of ${taken}`,
    }).then(
      () => '',
      (error: Error) => error.message,
    );
  expect(await second({ listen: port })).toBe(
    `cannot listen on 127.0.0.1:${port}: the port is taken by the holder of ${port}; choose another with --listen`,
  );
  expect(await second({ listenAdmin: adminPort })).toBe(
    `cannot listen on 127.0.0.1:${adminPort}: the port is taken by the holder of ${adminPort}; choose another with --listen-admin`,
  );
});

describe('a control plane whose configuration is broken at the start', () => {
  test('does not start, and names every fault of every file', async () => {
    writeFileSync(join(base, 'mesh/a.yaml'), service('"x"'));
    writeFileSync(join(base, 'mesh/b.yaml'), 'kind: [');
    const failure = await start(join(base, 'data')).then(
      () => '',
      (error: Error) => error.message,
    );
    expect(failure.split('\n')).toEqual([
      expect.stringMatching(/a\.yaml:5:13: spec\.ports\[0\]\.port: /),
      expect.stringMatching(/b\.yaml:1:8: is not YAML/),
    ]);
  });

  test('goes on with the last good content that is in its data directory, and says so', async () => {
    const file = join(base, 'mesh/a.yaml');
    writeFileSync(file, service(80));
    await (await start(join(base, 'data'))).close();
    writeFileSync(file, service('"x"'));
    logged = [];
    const { adminPort } = await start(join(base, 'data'));
    const told = logged.find((line) => line.includes('spec.ports[0].port'));
    expect(told).toMatch(/"level":50.*a\.yaml:5:13.*the last good content, of 2\d{3}-.*Z, stays in force/);
    const services: unknown = await (await fetch(`http://127.0.0.1:${adminPort}/api/v1/services`)).json();
    expect(JSON.stringify(services)).toContain('orders');
  });
});
