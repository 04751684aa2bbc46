/** Our sidecar, one worker, from the bootstrap file that Envoy gets too. The one place that knows its command line. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { StartedProgram } from '../../test/peers/started-program.ts';
import { onProxyCore } from '../measure/cores.ts';
import type { ProxyPeer, ProxySetup, RunningProxy } from '../proxy.ts';
import { envoyBootstrap } from './envoy-bootstrap.ts';
import { timeToOk } from './readiness.ts';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

export const outrigger: ProxyPeer = {
  id: 'outrigger',
  notes: '',
  missing: () => (existsSync(join(root, 'dist', 'sidecar.js')) ? null : 'it is not built; npm run build builds it'),
  refuses: () => null,
  version: () => (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }).version,
  start: startOutrigger,
};

async function startOutrigger(setup: ProxySetup): Promise<RunningProxy> {
  const file = join(setup.folder, 'outrigger.yaml');
  writeFileSync(file, envoyBootstrap(setup, true));
  const startedMs = performance.now();
  const program = new StartedProgram(
    'outrigger',
    onProxyCore([
      ...[join(root, 'bin', 'outrigger'), 'sidecar', '--bootstrap', file],
      ...(setup.flightRecorder === false ? ['--flight-recorder', 'off'] : []),
    ]),
  );
  return { program, readyMs: await timeToOk(program, setup.adminPort, '/ready', startedMs) };
}
