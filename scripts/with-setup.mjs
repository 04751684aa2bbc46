/**
 * Runs an npm script with the set-up done: dependencies installed, protobuf code generated, programs built. Plain JavaScript for
 * Node 20, because it runs before Node 26 is there. Does each step only when its inputs changed.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const bin = join(root, 'node_modules', '.bin');
const node = join(bin, 'node');
const env = { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}` };
// npm puts its own settings into the environment of scripts; a nested npm would complain about some of them.
for (const name of Object.keys(env)) if (name.startsWith('npm_')) delete env[name];

/** Commands by name: what needs a build, and what runs. */
const commands = {
  build: { build: true, run: [] },
  demo: { build: true, run: [[node, 'dist/outrigger.js', 'demo']] },
  bench: { build: true, run: [[node, 'bench/main.ts']] },
  test: { build: true, run: [[node, 'scripts/test.ts', 'unit']] },
  'test:interop': { build: true, run: [[node, 'scripts/test.ts', 'interop']] },
};

const [name = '', ...args] = process.argv.slice(2);
const command = commands[name];
if (command === undefined) {
  console.error(`with-setup: no command ${JSON.stringify(name)}; there are ${Object.keys(commands).join(', ')}`);
  process.exit(2);
}

step(
  'node_modules',
  ['package.json', 'package-lock.json'],
  [],
  'node_modules/.bin/node',
  'installing dependencies',
  () => {
    // Not `npm ci`: it refuses a lock file that lacks optional packages of other platforms, and not every registry has them all.
    const found = spawnSync('npm', ['install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error'], {
      cwd: root,
      env,
      encoding: 'utf8',
    });
    if (found.status !== 0 || !existsSync(node)) {
      fail('npm install failed', `${found.stdout}\n${found.stderr}`);
    }
  },
);
step(
  'generated',
  ['package-lock.json', 'sidecar/xds/supported-fields.ts', 'sidecar/xds/generate-api.ts'],
  ['proto'],
  'sidecar/xds/api/cut-fields.json',
  'generating protobuf code',
  () => {
    run('protobuf generation', [node, 'proto/generate.ts']);
    run('protobuf generation', [node, 'sidecar/xds/generate-api.ts']);
  },
);
if (command.build) {
  step(
    'built',
    ['package-lock.json'],
    ['proto', 'certs', 'metrics', 'net', 'yaml', 'sidecar', 'control-plane', 'cli', 'demo', 'dashboard', 'scripts'],
    'dist/sidecar.js',
    'building',
    () => run('the build', [node, 'scripts/build.ts']),
  );
}
for (const [program, ...rest] of command.run) {
  const last = command.run.at(-1)[0] === program;
  const child = spawn(program, [...rest, ...(last ? args : [])], { cwd: root, env, stdio: 'inherit' });
  // Ctrl-C reaches the child through the terminal's process group; a signal sent to this process alone is handed on.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
    process.on(signal, () => signal !== 'SIGINT' && child.kill(signal));
  const status = await new Promise((resolve) =>
    child.on('exit', (code, signal) => resolve(code ?? (signal === 'SIGINT' ? 130 : 1))),
  );
  if (status !== 0) process.exit(status);
}

/** Runs `work` unless a stamp says that it was done with the same inputs, and `output` is still there. */
function step(label, files, folders, output, doing, work) {
  const stamp = join(root, 'node_modules', '.outrigger', label);
  const key = digest(files, folders);
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === key && existsSync(join(root, output))) return;
  console.error(`outrigger: ${doing} …`);
  work();
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, key);
}

function digest(files, folders) {
  const hash = createHash('sha256');
  for (const file of files) if (existsSync(join(root, file))) hash.update(file).update(readFileSync(join(root, file)));
  for (const folder of folders) {
    if (!existsSync(join(root, folder))) continue;
    for (const file of readdirSync(join(root, folder), { recursive: true }).sort()) {
      const path = join(root, folder, file);
      if (
        file.startsWith('generated') ||
        file.startsWith('xds/api') ||
        file.endsWith('.test.ts') ||
        !statSync(path).isFile()
      )
        continue;
      hash.update(file).update(readFileSync(path));
    }
  }
  return hash.digest('hex');
}

function run(what, [program, ...rest]) {
  const result = spawnSync(program, rest, { cwd: root, env, stdio: ['ignore', 'inherit', 'inherit'] });
  if (result.status !== 0) fail(`${what} failed`, '');
}

function fail(what, output) {
  console.error(`outrigger: ${what}\n${output}`);
  process.exit(1);
}
