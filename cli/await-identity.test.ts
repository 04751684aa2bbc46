/** A control plane that restarts takes its token away and writes another: a sidecar that starts meanwhile waits for it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createRoot } from '../certs/authority/create-root.ts';
import { issuingClock } from '../certs/authority/issuing-clock.ts';
import { writePem } from '../certs/x509/pem.ts';
import { awaitIdentity } from './await-identity.ts';
import { parseSidecarFlags } from './sidecar-flags.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'outrigger-await-'));
  const root = createRoot('cluster.local', issuingClock(Date.now)).roots[0]!;
  writeFileSync(join(folder, 'trust-bundle.pem'), writePem('CERTIFICATE', root.der));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** `written`: the token comes during that sleep, counted from 1; 0: never. */
async function start(words: readonly string[], written: number, environment: NodeJS.ProcessEnv = {}) {
  const lines: string[] = [];
  let sleptMs = 0;
  let sleeps = 0;
  const flags = parseSidecarFlags(['--service', 'shop/orders', '--app-port', '80', ...words], {});
  const choice = await awaitIdentity(flags, environment, {
    sleep: (ms) => {
      sleptMs += ms;
      if (++sleeps === written) writeFileSync(join(folder, 'local-token'), 'local\n');
      return Promise.resolve();
    },
    tell: (line) => lines.push(line),
  });
  return { choice, lines, sleptMs };
}

test('the token that comes meanwhile is the proof, and the wait is told in one line', async () => {
  const { choice, lines, sleptMs } = await start(['--data-dir', folder], 3);
  expect(choice).toMatchObject({ kind: 'identity', config: { proof: { kind: 'join-token' } } });
  expect(sleptMs).toBe(750);
  expect(lines).toEqual([expect.stringContaining(`there is no ${join(folder, 'local-token')}`)]);
});

test('where an authority has been it never goes on without: its callers would get plaintext', async () => {
  const { choice, lines, sleptMs } = await start(['--data-dir', folder], 4_000);
  expect(choice.kind).toBe('identity');
  expect(sleptMs).toBe(1_000_000);
  expect(lines).toHaveLength(100);
});

test('where none was seen it goes on without after 10 s', async () => {
  rmSync(join(folder, 'trust-bundle.pem'));
  const { choice, lines, sleptMs } = await start(['--data-dir', folder], 0);
  expect(choice).toEqual({ kind: 'none', why: `there is no ${join(folder, 'local-token')}` });
  expect([lines.length, sleptMs]).toEqual([1, 10_000]);
});

test('an empty token is one that is being written, and the trust bundle is waited for too', async () => {
  writeFileSync(join(folder, 'local-token'), '');
  expect((await start(['--data-dir', folder], 1)).choice.kind).toBe('identity');
  rmSync(join(folder, 'trust-bundle.pem'));
  expect((await start(['--data-dir', folder], 0)).lines).toEqual([expect.stringContaining('trust-bundle.pem')]);
});

test('it does not wait where no control plane ever was, for one of another machine, or when none is wanted', async () => {
  const never = { XDG_STATE_HOME: join(folder, 'none') };
  expect(await start([], 0, never)).toMatchObject({ choice: { kind: 'none' }, lines: [], sleptMs: 0 });
  for (const words of [
    ['--data-dir', folder, '--control-plane', '10.0.0.1:15010'],
    ['--data-dir', folder, '--no-identity'],
  ])
    expect(await start(words, 0)).toMatchObject({ choice: { kind: 'none' }, lines: [], sleptMs: 0 });
});
