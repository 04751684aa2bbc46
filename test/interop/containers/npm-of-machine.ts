/** What npm of this machine is set to, as it would say in a shell of the user: where from, whom it trusts, where it keeps what it has fetched. Reads no password. */
import { execFile } from 'node:child_process';
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { onPath } from '../../peers/peer-path.ts';

const run = promisify(execFile);

export interface NpmOfMachine {
  /** Where npm itself is. */
  readonly folder: string;
  readonly version: string;
  readonly registry: string;
  /** PEM; '' : Node's own. */
  readonly ca: string;
  readonly cacheFolder: string;
}

export async function npmOfMachine(): Promise<NpmOfMachine> {
  const npm = onPath('npm');
  if (npm === null) throw new Error('npm is needed to build the image, and is not on the PATH');
  // …/npm/bin/npm-cli.js
  const folder = dirname(dirname(realpathSync(npm)));
  // By the Node that it came with: npm looks for its settings beside that, and the first Node of the PATH is this checkout's.
  const besides = join(dirname(npm), 'node');
  const words = existsSync(besides) ? [besides, realpathSync(npm)] : [npm];
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('npm_')));
  const setting = async (name: string): Promise<string> => {
    const { stdout } = await run(words[0]!, [...words.slice(1), 'config', 'get', name], { cwd: '/', env });
    const said = stdout.trim();
    return said === 'null' || said === 'undefined' ? '' : said;
  };
  const [registry, caFile, cacheFolder] = await Promise.all([setting('registry'), setting('cafile'), setting('cache')]);
  const roots = caFile === '' ? (process.env['NODE_EXTRA_CA_CERTS'] ?? '') : caFile;
  const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string };
  return {
    folder,
    version,
    registry: withoutPassword(registry),
    ca: roots === '' ? '' : readFileSync(roots, 'utf8'),
    cacheFolder,
  };
}

function withoutPassword(address: string): string {
  const url = new URL(address);
  url.username = '';
  url.password = '';
  return url.href;
}
