/** Envoy, one worker, from the bootstrap file that Outrigger gets too. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { peerPath } from '../../test/peers/peer-path.ts';
import { StartedProgram } from '../../test/peers/started-program.ts';
import { onProxyCore } from '../measure/cores.ts';
import type { ProxyPeer, ProxySetup, RunningProxy } from '../proxy.ts';
import { envoyBootstrap } from './envoy-bootstrap.ts';
import { timeToOk } from './readiness.ts';

// Several Envoys on one machine need different ids; the pid keeps two benchmarks apart as well.
let started = 0;

export const envoy: ProxyPeer = {
  id: 'envoy',
  notes: '',
  missing: () => (peerPath('envoy') === null ? 'node test/peers/install.ts envoy gets it' : null),
  refuses: () => null,
  version: () =>
    /\/([\d.]+)\//.exec(spawnSync(peerPath('envoy')!, ['--version'], { encoding: 'utf8' }).stdout)?.[1] ?? 'unknown',
  start: startEnvoy,
};

async function startEnvoy(setup: ProxySetup): Promise<RunningProxy> {
  const file = join(setup.folder, 'envoy.yaml');
  writeFileSync(file, envoyBootstrap(setup));
  const baseId = String((process.pid % 20_000) * 100 + started++);
  const startedMs = performance.now();
  const program = new StartedProgram(
    'envoy',
    onProxyCore([peerPath('envoy')!, '-c', file, '--concurrency', '1', '--base-id', baseId, '-l', 'warning']),
  );
  return { program, readyMs: await timeToOk(program, setup.adminPort, '/ready', startedMs) };
}
