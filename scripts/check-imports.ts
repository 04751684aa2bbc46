/** Checks the import rules of docs/architecture.md with dependency-cruiser, and that it saw the modules at all: without its parser it sees none, and would pass. */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const folders = ['sidecar', 'control-plane', 'proto', 'certs', 'net', 'metrics', 'yaml', 'cli', 'dashboard'];

interface Report {
  readonly summary: {
    readonly totalCruised: number;
    readonly error: number;
    readonly violations: ReadonlyArray<{
      readonly from: string;
      readonly to: string;
      readonly rule: { readonly name: string };
    }>;
  };
}

const run = spawnSync('depcruise', ['--config', '.dependency-cruiser.json', '--output-type', 'json', ...folders], {
  cwd: root,
  encoding: 'utf8',
  maxBuffer: 256 * 1024 * 1024,
});
const report = JSON.parse(run.stdout) as Report;
const sources = folders
  .flatMap((folder) => readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }))
  .filter((file) => /\.tsx?$/.test(file) && !file.endsWith('.d.ts'));
for (const { rule, from, to } of report.summary.violations) console.error(`${rule.name}: ${from} → ${to}`);
if (report.summary.totalCruised < sources.length) {
  console.error(
    `dependency-cruiser saw ${report.summary.totalCruised} modules of ${sources.length}: its parser is not working`,
  );
  process.exitCode = 1;
}
if (report.summary.error > 0) process.exitCode = 1;
