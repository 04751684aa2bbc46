/**
 * Where a peer's program is on this machine. Looks only: it downloads and builds nothing (`install.ts` does), so that a unit test can ask and skip.
 */
import { createHash } from 'node:crypto';
import { accessSync, constants, existsSync, readdirSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Peer, type PeerName, peerNamed } from './peer-catalog.ts';

/** The Go module of our own peers. */
export const goModuleFolder: string = join(dirname(fileURLToPath(import.meta.url)), 'go');

/** A module that pins what a `go-pinned` peer needs. */
export function pinningFolder(folder: string): string {
  return join(dirname(fileURLToPath(import.meta.url)), folder);
}

/** Outside the checkout, so that clean clones share it: `OUTRIGGER_PEERS`, or the user's cache folder. */
export function peersFolder(): string {
  const named = process.env['OUTRIGGER_PEERS'];
  if (named !== undefined && named !== '') return named;
  const cache = process.env['XDG_CACHE_HOME'];
  return join(cache !== undefined && cache !== '' ? cache : join(homedir(), '.cache'), 'outrigger-peers');
}

/** One folder per peer and version: `<peers>/<name>-<version>`, with the program at `bin/<name>`. */
export function peerFolder(peer: Peer): string {
  return join(peersFolder(), `${peer.name}-${peerVersion(peer)}`);
}

/** The version that the cache is keyed by; for our own Go programs a digest of their sources, for Debian packages the release they come from. */
export function peerVersion(peer: Peer): string {
  const { source } = peer;
  if (source.kind === 'debian' || source.kind === 'debian-installed') return `debian-${debianRelease()}`;
  if (source.kind === 'go-here') return goSourcesDigest();
  return source.version;
}

/** The peer's program, or null when it is not here. A Debian peer may also be installed on the machine itself. */
export function peerPath(name: PeerName): string | null {
  const peer = peerNamed(name);
  if (peer === null) return null;
  if (peer.source.kind === 'debian-installed') return onPath(peer.source.program);
  const cached = join(peerFolder(peer), 'bin', peer.name);
  if (existsSync(cached)) return cached;
  return peer.source.kind === 'debian' ? onPath(peer.name) : null;
}

/** A program on PATH, or in the sbin folders that a user's PATH may lack. */
export function onPath(program: string): string | null {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin'];
  for (const folder of folders) {
    if (folder === '') continue;
    try {
      accessSync(join(folder, program), constants.X_OK);
      return join(folder, program);
    } catch {
      // Not in this folder.
    }
  }
  return null;
}

function debianRelease(): string {
  try {
    return /^VERSION_ID="?([^"\n]+)/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? 'unknown';
  } catch {
    return 'unknown';
  }
}

let sourcesDigest: string | null = null;

function goSourcesDigest(): string {
  if (sourcesDigest !== null) return sourcesDigest;
  const hash = createHash('sha256');
  for (const file of readdirSync(goModuleFolder, { recursive: true, encoding: 'utf8' }).sort()) {
    if (/\.(go|mod|sum)$/.test(file)) hash.update(file).update(readFileSync(join(goModuleFolder, file)));
  }
  sourcesDigest = hash.digest('hex').slice(0, 12);
  return sourcesDigest;
}
