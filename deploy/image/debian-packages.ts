/** Files of Debian packages for any architecture, downloaded and unpacked; nothing is installed, and no script of theirs runs. */
import { execFileSync } from 'node:child_process';
import { existsSync, lstatSync, mkdirSync, readdirSync, readlinkSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

export interface DebianPackage {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
  /** The source package, with its version where that differs. */
  readonly source: string;
  /** Where its files are. */
  readonly root: string;
}

/** The packages and all that they depend on. `architecture` in Debian's words. */
export function unpackPackages(names: readonly string[], architecture: string, folder: string): DebianPackage[] {
  const run = (command: string, args: string[], cwd = folder): string =>
    execFileSync(command, args, { cwd, encoding: 'utf8', maxBuffer: 64 << 20, stdio: ['ignore', 'pipe', 'inherit'] });
  mkdirSync(folder, { recursive: true });
  // Downloads are made by a user of apt's own, where it may write.
  run('chmod', ['777', folder]);
  run('dpkg', ['--add-architecture', architecture]);
  run('apt-get', ['update', '-q']);
  const wanted = names.map((name) => `${name}:${architecture}`);
  const only = ['recommends', 'suggests', 'conflicts', 'breaks', 'replaces', 'enhances'].map((kind) => `--no-${kind}`);
  const listed = run('apt-cache', ['depends', '--recurse', ...only, ...wanted]);
  const native = run('dpkg', ['--print-architecture']).trim();
  run('apt-get', ['download', '-q', ...packagesToGet(listed, architecture, native)]);
  return readdirSync(folder)
    .filter((file) => file.endsWith('.deb'))
    .toSorted()
    .map((file) => {
      const [name = '', version = '', arch = '', source = ''] = run('dpkg-deb', [
        '--show',
        // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg's own format
        '--showformat=${Package}\\n${Version}\\n${Architecture}\\n${source:Package} ${source:Version}',
        file,
      ]).split('\n');
      const root = join(folder, name);
      run('dpkg-deb', ['--extract', file, root]);
      return { name, version, architecture: arch, source, root };
    })
    .filter((one) => one.architecture === architecture || one.architecture === 'all');
}

/** By what `apt-cache depends` lists: packages for all architectures, and those of the machine's own, stand there without one, and apt has the former under no other's name. */
export function packagesToGet(listed: string, architecture: string, native: string): readonly string[] {
  const names = listed.split('\n').filter((line) => /^[a-z0-9]/.test(line));
  const own = names.filter((name) => name.endsWith(`:${architecture}`));
  const plain = names.filter((name) => !name.includes(':') && !own.includes(`${name}:${architecture}`));
  return [...new Set([...own, ...(architecture === native ? plain.map((name) => `${name}:${architecture}`) : plain)])];
}

/** Which package has a file, and where that is after all links; `path` absolute, as it is when installed. */
export function findFile(
  packages: readonly DebianPackage[],
  path: string,
): { owner: DebianPackage; file: string } | null {
  let wanted = path;
  for (let hops = 0; hops < 8; hops++) {
    const found = spellings(wanted)
      .flatMap((spelling) => packages.map((owner) => ({ owner, file: join(owner.root, spelling), spelling })))
      .find(({ file }) => lstatSync(file, { throwIfNoEntry: false }) !== undefined);
    if (found === undefined) return null;
    if (!lstatSync(found.file).isSymbolicLink()) return existsSync(found.file) ? found : null;
    const target = readlinkSync(found.file);
    wanted = alternative(target) ?? resolve(dirname(found.spelling), target);
  }
  return null;
}

/** /etc/alternatives is made at installation: the iptables of Debian 12 are the nft ones. */
function alternative(target: string): string | null {
  const match = /^\/etc\/alternatives\/(ip6?tables.*)$/.exec(target);
  return match === null ? null : `/usr/sbin/${match[1]!.replace(/^(ip6?tables)/, '$1-nft')}`;
}

/** Packages of Debian 12 still have files in /lib and /usr/lib alike, which are one. */
function spellings(path: string): string[] {
  const short = path.replace(/^\/usr(?=\/(bin|sbin|lib|lib64)\/)/, '');
  return [short, `/usr${short}`];
}
