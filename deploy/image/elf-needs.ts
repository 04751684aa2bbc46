/** What a program for Linux needs of shared libraries, by `readelf`, which reads those of any architecture. Only reads. */
import { execFileSync } from 'node:child_process';
import { closeSync, openSync, readSync } from 'node:fs';

/** Whether a file is a program or library of Linux's format. */
export function isElf(path: string): boolean {
  const file = openSync(path, 'r');
  const head = Buffer.alloc(4);
  readSync(file, head, 0, 4, 0);
  closeSync(file);
  return head.toString('latin1') === '\x7fELF';
}

/** Names of the libraries, and the path of the loader where it has one. */
export function elfNeeds(path: string): { readonly libraries: readonly string[]; readonly loader: string | null } {
  const text = execFileSync('readelf', ['--dynamic', '--program-headers', '--wide', path], { encoding: 'utf8' });
  const libraries = [...text.matchAll(/\(NEEDED\)\s+Shared library: \[(.+?)\]/g)].map(([, name]) => name!);
  const loader = /Requesting program interpreter: (.+?)\]/.exec(text)?.[1] ?? null;
  return { libraries, loader };
}
