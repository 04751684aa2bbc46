/**
 * Puts together the files of the image: Node, the built programs with the libraries they load, the tools for redirect rules, what those need of Debian's packages, and a list of all of it (SPDX). Runs in the image's build
 * stage (Containerfile) as root, for the architecture of the machine or another; runs no program of the image.
 *
 *   node deploy/image/assemble.ts --arch amd64|arm64 --out FOLDER
 */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  cpSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type DebianPackage, findFile, unpackPackages } from './debian-packages.ts';
import { elfNeeds, isElf } from './elf-needs.ts';
import { type LockPackages, npmPackages } from './npm-packages.ts';
import { spdxDocument } from './spdx-document.ts';

/** By Debian's and the image format's word: npm's word, GNU's triplet. */
const architectures = {
  amd64: { npm: 'x64', triplet: 'x86_64-linux-gnu' },
  arm64: { npm: 'arm64', triplet: 'aarch64-linux-gnu' },
} as const;

/** Names under which iptables' two programs are called. */
const xtables = (variant: string): string[] =>
  ['iptables', 'ip6tables'].flatMap((name) =>
    ['', '-save', '-restore'].map((what) => (variant === '' ? `${name}${what}` : `${name}-${variant}${what}`)),
  );

const { values } = parseArgs({ options: { arch: { type: 'string' }, out: { type: 'string' } } });
const arch = values.arch as keyof typeof architectures;
if (!Object.hasOwn(architectures, arch) || values.out === undefined) {
  process.stderr.write('assemble: --arch amd64|arm64 --out FOLDER\n');
  process.exit(2);
}
const { npm, triplet } = architectures[arch];
const out = values.out;
const source = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const work = mkdtempSync(join(tmpdir(), 'outrigger-image-'));

/** `path` as it is in the image. Makes its folder. */
function inImage(path: string): string {
  const file = join(out, path);
  mkdirSync(dirname(file), { recursive: true });
  return file;
}

for (const [link, target] of [
  ['/bin', 'usr/bin'],
  ['/sbin', 'usr/sbin'],
  ['/lib', 'usr/lib'],
  ['/lib64', 'usr/lib64'],
] as const) {
  mkdirSync(join(out, target), { recursive: true });
  symlinkSync(target, inImage(link));
}

// Node: of the npm package for this architecture, without what only debuggers read.
const lock = JSON.parse(readFileSync(join(source, 'package-lock.json'), 'utf8')) as { packages: LockPackages };
const nodePackage = `node-linux-${npm}`;
const nodeVersion = lock.packages[`node_modules/${nodePackage}`]!.version;
const npmFolder = join(work, 'npm');
mkdirSync(npmFolder);
writeFileSync(join(npmFolder, 'package.json'), '{}');
execFileSync(
  'npm',
  [
    'install',
    '--force',
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
    `${nodePackage}@${nodeVersion}`,
  ],
  { cwd: npmFolder, stdio: ['ignore', 'ignore', 'inherit'] },
);
const node = inImage('/outrigger/node');
copyFileSync(join(npmFolder, 'node_modules', nodePackage, 'bin', 'node'), node);
chmodSync(node, 0o755);
strip(node);

// The programs, and the libraries of the control plane and the CLI, which are not bundled.
cpSync(join(source, 'dist'), inImage('/outrigger/dist'), {
  recursive: true,
  filter: (path) => extname(path) !== '.map',
});
chmodSync(join(out, '/outrigger/dist/container.js'), 0o755);
symlinkSync('/outrigger/dist/container.js', inImage('/usr/bin/outrigger'));
const libraries = npmPackages(source, lock.packages);
for (const { path } of libraries)
  cpSync(join(source, path), inImage(`/outrigger/${path}`), {
    recursive: true,
    // Nested packages have lines of their own; what nobody loads stays behind.
    filter: (file) =>
      !(file !== join(source, path) && basename(file) === 'node_modules') &&
      !/\.(map|md|ts|mts|cts|markdown)$/.test(file),
  });

// The tools for redirect rules, and the libraries of all.
const packages = unpackPackages(
  ['libc6', 'libstdc++6', 'libatomic1', 'iptables', 'nftables', 'iproute2', 'netbase'],
  arch,
  join(work, 'debian'),
);
const used = new Set<DebianPackage>();
const waiting: string[] = [
  '/usr/sbin/xtables-nft-multi',
  '/usr/sbin/xtables-legacy-multi',
  '/usr/sbin/nft',
  '/bin/ip',
  ...readdirSync(join(packages.find(({ name }) => name === 'iptables')!.root, `usr/lib/${triplet}/xtables`)).map(
    (file) => `/usr/lib/${triplet}/xtables/${file}`,
  ),
  '/etc/protocols',
];
for (const [program, names] of [
  ['xtables-nft-multi', [...xtables(''), ...xtables('nft')]],
  ['xtables-legacy-multi', xtables('legacy')],
] as const)
  for (const name of names) symlinkSync(program, inImage(`/usr/sbin/${name}`));
needOf(node);
for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) take(path);

/** A file of the packages, under the name by which it is looked for, with all that it needs. */
function take(path: string): void {
  const place = inImage(path.replace(/^\/(bin|sbin|lib|lib64)\//, '/usr/$1/'));
  if (lstatSync(place, { throwIfNoEntry: false }) !== undefined) return;
  const found = findFile(packages, path);
  if (found === null) throw new Error(`no package has ${path}`);
  used.add(found.owner);
  copyFileSync(found.file, place);
  if (isElf(place)) needOf(place);
}

function needOf(program: string): void {
  const { libraries: names, loader } = elfNeeds(program);
  if (loader !== null) waiting.push(loader);
  for (const name of names)
    if (!name.startsWith('ld-linux'))
      waiting.push(
        findFile(packages, `/usr/lib/${triplet}/${name}`) === null ? `/lib/${name}` : `/usr/lib/${triplet}/${name}`,
      );
}

function strip(program: string): void {
  const native = process.arch === npm;
  const tool = native ? 'strip' : `${triplet}-strip`;
  try {
    execFileSync(tool, ['--strip-all', program], { stdio: 'ignore' });
  } catch {
    process.stderr.write(`assemble: no ${tool} here: Node keeps its symbols, and the image is 8 MB larger\n`);
  }
}

// Who runs it, how names are looked up, what is in it.
writeFileSync(
  inImage('/etc/passwd'),
  'root:x:0:0:root:/:/sbin/nologin\noutrigger:x:1337:1337:outrigger:/:/sbin/nologin\n',
);
writeFileSync(inImage('/etc/group'), 'root:x:0:\noutrigger:x:1337:\n');
writeFileSync(inImage('/etc/nsswitch.conf'), 'hosts: files dns\n');
mkdirSync(join(out, 'tmp'), { recursive: true });
chmodSync(join(out, 'tmp'), 0o1777);
// Where a volume for --data-dir goes: one that is made for it (compose) takes the owner from here.
mkdirSync(join(out, 'var/lib/outrigger'), { recursive: true });
chownSync(join(out, 'var/lib/outrigger'), 1337, 1337);
mkdirSync(join(out, 'run'), { recursive: true });
for (const { root, name } of used) {
  const copyright = join(root, 'usr/share/doc', name, 'copyright');
  if (lstatSync(copyright, { throwIfNoEntry: false })?.isFile() === true)
    copyFileSync(copyright, inImage(`/usr/share/doc/${name}/copyright`));
}
copyFileSync(join(source, 'LICENSE'), inImage('/outrigger/LICENSE'));
const { version } = JSON.parse(readFileSync(join(source, 'package.json'), 'utf8')) as { version: string };
const document = spdxDocument({
  version,
  arch,
  node: { name: nodePackage, version: nodeVersion },
  debian: [...used].toSorted((a, b) => (a.name < b.name ? -1 : 1)),
  npm: libraries,
});
writeFileSync(inImage('/outrigger/sbom.spdx.json'), `${JSON.stringify(document, null, 1)}\n`);
