/** The units of deploy/systemd, judged by systemd itself: whether it takes them whole, and how much of the machine they can reach. */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { outriggerProgram, peer } from './programs.ts';

const units = join(import.meta.dirname, '../../deploy/systemd');
const folder = mkdtempSync(join(tmpdir(), 'outrigger-systemd-'));
afterAll(() => rmSync(folder, { recursive: true }));

const analyze = peer('systemd-analyze');
/** Where systemd's own targets are, also of one that is only unpacked. */
const systemUnits = [join(dirname(dirname(analyze)), 'root/lib/systemd/system'), '/lib/systemd/system'].filter((each) =>
  existsSync(each),
);

/** The same files with the program where this checkout has it; a real application beside them. */
beforeAll(() => {
  for (const name of readdirSync(units).filter((each) => each.endsWith('.service'))) {
    const text = readFileSync(join(units, name), 'utf8').replaceAll('/opt/outrigger/bin/outrigger', outriggerProgram);
    writeFileSync(join(folder, name), text);
  }
  writeFileSync(join(folder, 'orders.service'), '[Service]\nExecStart=/bin/sh -c "exec sleep 1"\n');
  mkdirSync(join(folder, 'orders.service.d'));
  cpSync(join(units, 'application.service.d/10-outrigger.conf'), join(folder, 'orders.service.d/10-outrigger.conf'));
});

function run(...words: string[]): { readonly code: number | null; readonly output: string } {
  const env = { ...process.env, SYSTEMD_UNIT_PATH: [folder, ...systemUnits].join(delimiter) };
  const { status, stdout, stderr } = spawnSync(analyze, words, { env, encoding: 'utf8' });
  return { code: status, output: `${stdout}${stderr}` };
}

/** What systemd would do, by its own reading of the unit. */
function shown(unit: string): string {
  return readFileSync(join(folder, unit), 'utf8');
}

describe('units for systemd', () => {
  it.each(['outrigger-sidecar@shop-orders.service', 'outrigger-control-plane.service', 'orders.service'])(
    '%s is taken without a word',
    (unit) => {
      const template = unit.replace(/@[^.]+/, '@');
      if (template !== unit) cpSync(join(folder, template), join(folder, unit));
      expect(run('verify', '--man=no', '--recursive-errors=no', join(folder, unit))).toEqual({ code: 0, output: '' });
    },
  );

  it('is told of a slip of the pen (so the test above sees something)', () => {
    writeFileSync(join(folder, 'wrong.service'), '[Service]\nExecStart=/no/such/program\nProtectSistem=strict\n');
    const { output } = run('verify', '--man=no', '--recursive-errors=no', join(folder, 'wrong.service'));
    expect(output).toContain('ProtectSistem');
    expect(output).toContain('/no/such/program');
  });

  it.each(['outrigger-sidecar@.service', 'outrigger-control-plane.service'])(
    '%s can reach little of the machine (systemd-analyze security: OK, below 2.0)',
    (unit) => {
      const { code, output } = run('security', '--offline=true', '--threshold=20', join(folder, unit));
      expect(output).toMatch(/Overall exposure level/);
      expect([code, output.split('\n').at(-2)]).toEqual([0, expect.stringContaining('OK')]);
    },
  );

  it('names variables and flags that the programs know', () => {
    const help = ['sidecar', 'intercept install'].map((words) =>
      execFileSync(outriggerProgram, [...words.split(' '), '--help'], { encoding: 'utf8' }),
    );
    const environment = `${shown('outrigger-sidecar@.service')}\n${readFileSync(join(units, 'sidecar.env'), 'utf8')}`;
    for (const [, name] of environment.matchAll(/OUTRIGGER_([A-Z_]+)=/g))
      expect(help.join('\n')).toContain(`--${name!.toLowerCase().replaceAll('_', '-')} `);
  });

  it('removes rules when the sidecar is stopped or misconfigured, and keeps them when it crashed and comes again', () => {
    const script = /^ExecStopPost=\+\/bin\/sh -c '(.*)'$/m.exec(shown('outrigger-sidecar@.service'))![1]!;
    const removes = (result: string, status: string): boolean =>
      execFileSync('/bin/sh', ['-c', script.replace(/exec .*$/, 'echo removes')], {
        env: { SERVICE_RESULT: result, EXIT_STATUS: status },
        encoding: 'utf8',
      }) === 'removes\n';
    expect([removes('success', '0'), removes('timeout', 'KILL'), removes('exit-code', '2')]).toEqual([
      true,
      true,
      true,
    ]);
    expect([removes('exit-code', '1'), removes('signal', 'KILL'), removes('core-dump', 'SEGV')]).toEqual([
      false,
      false,
      false,
    ]);
  });
});
