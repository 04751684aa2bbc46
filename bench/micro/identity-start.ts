/**
 * What an identity costs a sidecar: time from exec until it is ready (listeners and configuration there), and resident memory a while later, of `sidecar --service` with an identity and without one, in turns.
 * Both get the same configuration from a control plane in this process. Needs a build. Run: node bench/micro/identity-start.ts [rounds]
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import { startControlPlane } from '../../control-plane/control-plane.ts';
import { mesh, orders, SecureControlPlane } from '../../test/integration/secure-control-plane.ts';
import { freePorts } from '../../test/peers/free-port.ts';
import { StartedProgram, stopAll } from '../../test/peers/started-program.ts';
import { residentBytes } from '../measure/process-figures.ts';
import { spread } from '../measure/statistics.ts';
import { timeToOk } from '../peers/readiness.ts';

const rounds = Number(process.argv[2] ?? 7);
/** Long enough for what a sidecar does once after it is ready. */
const settleMs = 1500;
const outrigger = join(import.meta.dirname, '../../bin/outrigger');

const secure = new SecureControlPlane();
await secure.start();
const meshFile = join(secure.folder, 'mesh.yaml');
const tokenFile = join(secure.folder, 'token');
writeFileSync(meshFile, mesh);
writeFileSync(tokenFile, secure.joinTokens.create({ identities: [orders], uses: rounds + 1 }).token);
const plain = await startControlPlane({
  configPaths: [meshFile],
  dataDir: join(secure.folder, 'plain'),
  identity: null,
  listen: { host: '127.0.0.1', port: 0 },
  listenAdmin: { host: '127.0.0.1', port: 0 },
  log: pino({ level: 'silent' }),
});

const kinds = {
  'no identity': ['--control-plane', `127.0.0.1:${plain.port}`, '--no-identity'],
  identity: [
    ...['--control-plane-tls', `127.0.0.1:${secure.port}`],
    ...['--join-token-file', tokenFile, '--trust-bundle', secure.trustBundle],
  ],
} as const;
const figures = Object.keys(kinds).map((kind) => ({ kind, readyMs: [] as number[], residentMiB: [] as number[] }));

async function round(flags: readonly string[], into: (typeof figures)[number] | null): Promise<void> {
  const [admin] = (await freePorts(1)) as [number];
  const startedMs = performance.now();
  const program = new StartedProgram('sidecar', [
    ...[outrigger, 'sidecar', '--service', 'shop/orders', '--app-port', '1', '--no-register', ...flags],
    ...['--admin', `127.0.0.1:${admin}`, '--listen-metrics', 'off', '--drain-time', '0'],
    ...['--inbound-listen', '127.0.0.1:0', '--outbound-listen', '127.0.0.1:0'],
  ]);
  const readyMs = await timeToOk(program, admin, '/ready', startedMs);
  await new Promise((resolve) => setTimeout(resolve, settleMs));
  into?.readyMs.push(readyMs);
  into?.residentMiB.push(residentBytes(program.pid) / 2 ** 20);
  await program.stop();
}

try {
  // The first start of all fills the file cache.
  for (const flags of Object.values(kinds)) await round(flags, null);
  for (let i = 0; i < rounds; i++)
    for (const [index, flags] of Object.values(kinds).entries()) await round(flags, figures[index]!);
  for (const { kind, readyMs, residentMiB } of figures) {
    const [ready, resident] = [spread(readyMs)!, spread(residentMiB)!];
    console.log(
      `${kind.padEnd(12)} ready ${ready.median.toFixed(0)} ms (${ready.min.toFixed(0)}–${ready.max.toFixed(0)})   resident ${resident.median.toFixed(1)} MiB (${resident.min.toFixed(1)}–${resident.max.toFixed(1)})`,
    );
  }
} finally {
  await stopAll();
  await plain.close();
  secure.close();
}
