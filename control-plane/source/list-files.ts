/** Which files a list of paths stands for: a file is itself, a folder is every .yaml, .yml and .json below it. Hidden entries are left out (also Kubernetes' `..data`). */
import { readdirSync, realpathSync, type Stats, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Fault } from './fault.ts';

export interface FileList {
  /** In reading order, without repetition. */
  readonly files: readonly string[];
  /** Folders to watch: those given, those below them, and those of files given. */
  readonly folders: readonly string[];
  /** What could not be read. */
  readonly faults: readonly Fault[];
  /** Given folders, or entries below, that could not be read: what they are, or what was in them, is unknown, not gone. */
  readonly unreadable: readonly string[];
}

const configFile = /\.(?:ya?ml|json)$/i;
const maxDepth = 32;

/** `knownFolders`: paths that were folders before, so that a folder that vanished is told from a file that was deleted. */
export function listFiles(paths: readonly string[], knownFolders: ReadonlySet<string>): FileList {
  const files = new Set<string>();
  const folders = new Set<string>();
  const faults: Fault[] = [];
  const unreadable: string[] = [];
  const seen = new Set<string>();
  const fail = (path: string, error: unknown): number =>
    faults.push({ file: path, line: 0, column: 0, path: '', message: reasonOf(error) });

  const readFolder = (folder: string, depth: number): void => {
    try {
      const real = realpathSync(folder);
      if (seen.has(real) || depth > maxDepth) return;
      seen.add(real);
      folders.add(folder);
      const names = readdirSync(folder).filter((name) => !name.startsWith('.'));
      for (const name of names.toSorted()) readEntry(join(folder, name), depth);
    } catch (error) {
      fail(folder, error);
      unreadable.push(folder);
    }
  };
  const readEntry = (path: string, depth: number): void => {
    let stat: Stats | undefined;
    try {
      stat = statSync(path, { throwIfNoEntry: false });
    } catch (error) {
      fail(path, error);
      unreadable.push(path);
      return;
    }
    // A link that leads nowhere, or an entry that was removed meanwhile.
    if (stat === undefined) return;
    if (stat.isDirectory()) readFolder(path, depth + 1);
    else if (configFile.test(path)) files.add(path);
  };
  for (const path of paths) {
    try {
      if (statSync(path).isDirectory()) readFolder(path, 0);
      else {
        files.add(path);
        folders.add(dirname(path));
      }
    } catch (error) {
      fail(path, error);
      if (knownFolders.has(path)) unreadable.push(path);
      else folders.add(dirname(path));
    }
  }
  return { files: [...files], folders: [...folders], faults, unreadable };
}

/** Why a file or folder cannot be read, in words. */
export function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT') return 'there is no such file or folder';
  if (code === 'EACCES' || code === 'EPERM') return 'may not be read by this user; change its permissions';
  if (code === 'EISDIR') return 'is a folder where a file was expected';
  return `cannot be read: ${message}`;
}
