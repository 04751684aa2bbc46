/** The packages of npm that go into the image: those that programs load or have in their bundles, which is all but what only development needs. What is copied and what the list of contents says are the same. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface NpmPackage {
  /** From the top, with `node_modules/`; nested ones have lines of their own. */
  readonly path: string;
  readonly name: string;
  readonly version: string;
  /** SPDX's word; NOASSERTION. */
  readonly license: string;
}

/** `packages` of a package-lock.json. */
export type LockPackages = Readonly<
  Record<
    string,
    { readonly version: string; readonly dev?: boolean; readonly devOptional?: boolean; readonly optional?: boolean }
  >
>;

export function npmPackages(root: string, lock: LockPackages): NpmPackage[] {
  return Object.entries(lock)
    .filter(
      ([path, { dev, devOptional, optional }]) =>
        path !== '' && dev !== true && devOptional !== true && optional !== true && existsSync(join(root, path)),
    )
    .map(([path, { version }]) => {
      const { license } = JSON.parse(readFileSync(join(root, path, 'package.json'), 'utf8')) as { license?: unknown };
      return {
        path,
        name: path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length),
        version,
        license: typeof license === 'string' && /^[A-Za-z0-9.+-]+$/.test(license) ? license : 'NOASSERTION',
      };
    });
}
