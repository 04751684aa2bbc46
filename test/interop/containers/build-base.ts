/**
 * What the image is built in where no registry can be reached: Debian's smallest system (debootstrap), the Node of this checkout, npm of this machine, and the roots that npm trusts here. Made once for what goes in, and kept as an
 * image. Holds no token or password: of npm's settings only the registry's address and the file of CAs.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { peer } from '../programs.ts';
import type { ContainerEngine } from './container-engine.ts';
import { npmOfMachine } from './npm-of-machine.ts';

const run = promisify(execFile);
const suite = 'bookworm';
const mirror = 'http://deb.debian.org/debian';
const timeoutMs = 180_000;

/** Its name. */
export async function buildBase(engine: ContainerEngine): Promise<string> {
  const { folder: npmFolder, version, registry, ca } = await npmOfMachine();
  const parts = [
    suite,
    mirror,
    process.version,
    process.arch,
    version,
    registry,
    ca,
    readFileSync(import.meta.filename),
  ];
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part).update('\0');
  const name = `localhost/outrigger-build-base:${hash.digest('hex').slice(0, 12)}`;
  if (await engine.imageExists(name)) return name;

  const work = mkdtempSync(join(engine.folder, 'base-'));
  const root = join(work, 'root');
  try {
    await run(peer('debootstrap'), ['--variant=minbase', suite, root, mirror], {
      timeout: timeoutMs,
      maxBuffer: 64 << 20,
    });
    writeFileSync(
      join(root, 'etc/apt/sources.list'),
      `deb ${mirror} ${suite} main\ndeb ${mirror} ${suite}-updates main\ndeb ${mirror}-security ${suite}-security main\n`,
    );
    copyFileSync(process.execPath, join(root, 'usr/local/bin/node'));
    chmodSync(join(root, 'usr/local/bin/node'), 0o755);
    mkdirSync(join(root, 'usr/local/lib/node_modules'), { recursive: true });
    cpSync(npmFolder, join(root, 'usr/local/lib/node_modules/npm'), { recursive: true });
    symlinkSync('../lib/node_modules/npm/bin/npm-cli.js', join(root, 'usr/local/bin/npm'));
    mkdirSync(join(root, 'etc/ssl'), { recursive: true });
    if (ca !== '') writeFileSync(join(root, 'etc/ssl/npm-ca.crt'), ca);
    writeFileSync(
      join(root, 'root/.npmrc'),
      `update-notifier=false\nregistry=${registry}\n${ca === '' ? '' : 'cafile=/etc/ssl/npm-ca.crt\n'}`,
    );
    const container = (await engine.buildah(['from', 'scratch'])).trim();
    try {
      await engine.buildah(['add', '--quiet', container, root, '/'], { timeoutMs });
      await engine.buildah(['commit', '--quiet', '--format', 'oci', container, name], { timeoutMs });
    } finally {
      await engine.buildah(['rm', container]);
    }
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return name;
}
