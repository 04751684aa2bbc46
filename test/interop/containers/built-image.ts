/** The image of this checkout, built by deploy/image/Containerfile. Its tag follows from everything that goes in, so that it is built again only when something of that is new. */
import { createHash } from 'node:crypto';
import { chownSync, lstatSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Stage } from '../programs.ts';
import { buildBase } from './build-base.ts';
import type { ContainerEngine } from './container-engine.ts';
import { npmOfMachine } from './npm-of-machine.ts';

const checkout = join(import.meta.dirname, '..', '..', '..');
const imageUser = 1337;
const repository = 'localhost/outrigger';
const buildTimeoutMs = 10 * 60_000;
/** Of earlier checkouts, beside the newest; the rest goes. */
const keptImages = 3;
/** What a build left between is for that of the other architecture, which has most in common with it. Later ones do not get it: Debian's packages may be newer by then. */
const keptLayers = '30m';

export interface BuiltImage {
  readonly name: string;
  /** Null: it was there. */
  readonly buildMs: number | null;
}

/** OUTRIGGER_TEST_IMAGE names one that is built already, for who works on the tests. */
export async function builtImage(engine: ContainerEngine, arch: 'amd64' | 'arm64'): Promise<BuiltImage> {
  const given = process.env['OUTRIGGER_TEST_IMAGE'] ?? '';
  if (given !== '' && arch === hostArch()) return { name: given, buildMs: null };
  const base = await buildBase(engine);
  const name = `${repository}:${arch}-${digestOf(checkout, base)}`;
  if (await engine.imageExists(name)) return { name, buildMs: null };
  const started = performance.now();
  await engine.tryPodman(['image', 'prune', '--force', '--filter', `until=${keptLayers}`]);
  // The machine's own, so that nothing is fetched twice.
  const { cacheFolder } = await npmOfMachine();
  mkdirSync(cacheFolder, { recursive: true });
  const words = [
    'bud',
    '--layers',
    '--force-rm',
    '--isolation',
    'chroot',
    '--network',
    'host',
    '-v',
    `${cacheFolder}:/root/.npm`,
  ];
  const files = ['-f', 'deploy/image/Containerfile', '--ignorefile', '.containerignore'];
  const values = ['--build-arg', `BUILD_BASE=${base}`, '--build-arg', `TARGETARCH=${arch}`];
  const platform =
    arch === hostArch() ? [] : ['--platform', `linux/${arch}`, '--build-arg', `BUILDPLATFORM=linux/${hostArch()}`];
  await engine.buildah(
    [
      ...words,
      ...platform,
      ...files.map((word) => (word.startsWith('-') ? word : join(checkout, word))),
      ...values,
      '-t',
      name,
      checkout,
    ],
    { timeoutMs: buildTimeoutMs },
  );
  await forget(engine, name);
  return { name, buildMs: performance.now() - started };
}

export function hostArch(): 'amd64' | 'arm64' {
  return process.arch === 'arm64' ? 'arm64' : 'amd64';
}

/** A folder of the image's user, for a data directory. */
export function ownFolder(stage: Stage, name: string): string {
  const folder = join(stage.folder, name);
  mkdirSync(folder, { mode: 0o700 });
  chownSync(folder, imageUser, imageUser);
  return folder;
}

/** Everything but what .containerignore names, each of which is a path from the top. */
function digestOf(root: string, base: string): string {
  const ignored = new Set(
    readFileSync(join(root, '.containerignore'), 'utf8')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#')),
  );
  const hash = createHash('sha256').update(base);
  const look = (folder: string): void => {
    for (const entry of readdirSync(join(root, folder)).sort()) {
      const path = folder === '' ? entry : `${folder}/${entry}`;
      if (ignored.has(path)) continue;
      const { mode } = lstatSync(join(root, path));
      const directory = lstatSync(join(root, path)).isDirectory();
      hash.update(`${path}\0${mode & 0o111}\0`);
      if (directory) look(path);
      else
        hash.update(
          createHash('sha256')
            .update(readFileSync(join(root, path)))
            .digest(),
        );
    }
  };
  look('');
  return hash.digest('hex').slice(0, 12);
}

/** Images of earlier checkouts. What a container still uses stays, and `built`, whenever its layers were made. */
async function forget(engine: ContainerEngine, built: string): Promise<void> {
  const said = await engine.podman([
    'image',
    'ls',
    '--sort',
    'created',
    '--format',
    '{{.Repository}}:{{.Tag}}',
    repository,
  ]);
  // Podman lists the newest first.
  const names = said.split('\n').filter((name) => name.startsWith(`${repository}:`) && name !== built);
  for (const old of names.slice(2 * keptImages - 1)) await engine.tryPodman(['image', 'rm', old]);
}
