/** `outrigger sidecar` when it did not come through bin/outrigger: hands over to the sidecar's own program. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { sidecarEnvironment, sidecarNodeFlags } from '../sidecar-process.ts';

export function sidecar(words: readonly string[]): void {
  const child = spawn(
    process.execPath,
    [...sidecarNodeFlags, join(import.meta.dirname, 'sidecar.js'), 'sidecar', ...words],
    {
      stdio: 'inherit',
      // Ctrl-C reaches us alone: handed on besides, it would come twice, and the second ends the sidecar at once.
      detached: true,
      env: { ...process.env, ...sidecarEnvironment },
    },
  );
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal));
  child.once('exit', (code) => {
    process.exitCode = code ?? 1;
  });
}
