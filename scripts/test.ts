/**
 * `npm test` and `npm run test:interop`: lint, types, import rules and unused code, then the tests. Ends with one line, `N passed, N failed`, over everything.
 * A check counts as one test each.
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { peerPath } from '../test/peers/peer-path.ts';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const suite = process.argv[2] === 'interop' ? 'interop' : 'unit';
const rest = process.argv.slice(3);
let passed = 0;
let failed = 0;
let skipped = 0;

/** A check that is not a vitest run: its line, green or red, is for {@link report}. */
async function check(name: string, program: string, ...args: string[]): Promise<Checked> {
  const started = performance.now();
  let output = '';
  const status = await new Promise<number | null>((resolve) => {
    const child = spawn(program, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => (output += text));
    child.once('error', ({ message }) => {
      output += message;
      resolve(null);
    });
    child.once('close', resolve);
  });
  return { name, ok: status === 0, seconds: ((performance.now() - started) / 1000).toFixed(1), output };
}

interface Checked {
  readonly name: string;
  readonly ok: boolean;
  readonly seconds: string;
  readonly output: string;
}

function report({ name, ok, seconds, output }: Checked): void {
  if (ok) passed++;
  else failed++;
  console.log(ok ? `ok       ${name} (${seconds} s)` : `FAILED   ${name} (${seconds} s)\n${output}`);
}

interface VitestReport {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly success: boolean;
  readonly testResults: ReadonlyArray<{
    readonly name: string;
    readonly status: string;
    readonly message: string;
    readonly assertionResults: ReadonlyArray<{
      readonly status: string;
      readonly fullName: string;
      readonly failureMessages: readonly string[];
    }>;
  }>;
}

function vitest(...args: string[]): void {
  const folder = mkdtempSync(join(tmpdir(), 'outrigger-test-'));
  const file = join(folder, 'report.json');
  const run = spawnSync(
    'vitest',
    ['run', '--reporter=default', '--reporter=json', `--outputFile.json=${file}`, ...args, ...rest],
    { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] },
  );
  try {
    const report = JSON.parse(readFileSync(file, 'utf8')) as VitestReport;
    passed += report.numPassedTests;
    failed += report.numFailedTests;
    skipped += report.numPendingTests + report.numTodoTests;
    for (const result of report.testResults) {
      // A file that could not even be loaded has no assertions, and must not pass silently.
      if (result.status === 'failed' && result.assertionResults.length === 0) {
        failed++;
        console.log(`FAILED   ${result.name}: ${result.message}`);
      }
      for (const assertion of result.assertionResults) {
        if (assertion.status === 'skipped' || assertion.status === 'pending')
          console.log(`skipped  ${assertion.fullName}`);
        // Again at the end, where one finds it; CI keeps the end only.
        if (assertion.status === 'failed')
          console.log(
            `FAILED   ${relative(root, result.name)}: ${assertion.fullName}\n${(assertion.failureMessages[0] ?? '').slice(0, 2000)}`,
          );
      }
    }
    if (run.status !== 0 && failed === 0) {
      failed++;
      console.log(`FAILED   vitest ended with exit code ${run.status} though no test failed`);
    }
  } catch (error) {
    failed++;
    console.log(`FAILED   vitest gave no report: ${(error as Error).message}`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

if (suite === 'interop') {
  report(await check('peers are there', process.execPath, 'test/peers/install.ts'));
  // Rules by hand are made with these, on machines that have none of their own too.
  for (const tool of ['iptables', 'nft', 'ip'] as const) {
    const path = peerPath(tool);
    if (path !== null) process.env['PATH'] = [process.env['PATH'], dirname(path)].join(delimiter);
  }
  vitest('--project', 'interop', '--project', 'interop-busy', '--project', 'interop-alone');
} else {
  // Beside each other, and not beside the tests: some of those have a few seconds for what they watch.
  const checks = [
    check('format (biome)', 'biome', 'ci', '.'),
    check('lint (oxlint, type-aware)', 'oxlint', '--type-aware', '--deny-warnings', '.'),
    check('types (tsc)', 'tsc', '-p', 'tsconfig.json'),
    check('types of the dashboard (tsc)', 'tsc', '-p', 'dashboard'),
    check('import rules (dependency-cruiser)', process.execPath, 'scripts/check-imports.ts'),
    check('unused code (knip)', 'knip'),
  ];
  for (const checked of checks) report(await checked);
  vitest('--project', 'unit', '--project', 'integration');
}
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
process.exitCode = failed === 0 ? 0 : 1;
