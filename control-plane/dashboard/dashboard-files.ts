/** The dashboard's page and what it loads, as the build left them in `dist/dashboard`: a few files, read once, each also compressed. Nothing else of the disk is ever served. */
import { readdirSync, readFileSync } from 'node:fs';
import type { IncomingHttpHeaders } from 'node:http';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface FileAnswer {
  readonly status: number;
  readonly type: string;
  readonly body: Buffer;
  readonly headers: Readonly<Record<string, string>>;
}

interface Served {
  readonly type: string;
  /** By content coding. */
  readonly bodies: ReadonlyMap<string, Buffer>;
}

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.txt': 'text/plain; charset=utf-8',
};

/** The better one first. */
const codings: ReadonlyArray<readonly [name: string, suffix: string]> = [
  ['br', '.br'],
  ['gzip', '.gz'],
];

/** Beside the bundle, or where the build puts it, when the sources run as they are. */
function builtFolder(): string {
  const file = fileURLToPath(import.meta.url);
  return file.endsWith('.ts') ? join(dirname(file), '..', '..', 'dist', 'dashboard') : join(dirname(file), 'dashboard');
}

export class DashboardFiles {
  readonly #files: ReadonlyMap<string, Served>;

  private constructor(files: ReadonlyMap<string, Served>) {
    this.#files = files;
  }

  /** Null: there is none, as it was not built. */
  static load(folder: string = builtFolder()): DashboardFiles | null {
    let names: readonly string[];
    try {
      names = readdirSync(folder);
    } catch {
      return null;
    }
    const files = new Map<string, Served>();
    for (const name of names) {
      const type = types[extname(name)];
      if (type === undefined) continue;
      const bodies = new Map([['', readFileSync(join(folder, name))]]);
      for (const [coding, suffix] of codings)
        if (names.includes(name + suffix)) bodies.set(coding, readFileSync(join(folder, name + suffix)));
      files.set(name, { type, bodies });
    }
    return files.has('index.html') ? new DashboardFiles(files) : null;
  }

  /** Of `/dashboard/<name>`, and the page at `/`; null: there is no such file. */
  answer(path: string, headers: IncomingHttpHeaders): FileAnswer | null {
    const name = path === '/' || path === '/dashboard' || path === '/dashboard/' ? 'index.html' : nameIn(path);
    const file = name === null ? undefined : this.#files.get(name);
    if (file === undefined) return null;
    const accepted = acceptedCodings(headers['accept-encoding'] ?? '');
    const coding = codings.map(([each]) => each).find((each) => accepted.has(each) && file.bodies.has(each)) ?? '';
    return {
      status: 200,
      type: file.type,
      body: file.bodies.get(coding)!,
      headers: {
        // Names of all but the page say what is in them.
        'cache-control': name === 'index.html' ? 'no-cache' : 'public, max-age=31536000, immutable',
        vary: 'accept-encoding, accept',
        ...(coding === '' ? {} : { 'content-encoding': coding }),
      },
    };
  }
}

function nameIn(path: string): string | null {
  return path.startsWith('/dashboard/') ? path.slice('/dashboard/'.length) : null;
}

function acceptedCodings(text: string): ReadonlySet<string> {
  return new Set(
    text
      .toLowerCase()
      .split(',')
      .map((part) => part.trim().split(/\s*;\s*/))
      .filter(([, quality = 'q=1']) => !/^q=0(?:\.0*)?$/.test(quality))
      .map(([name]) => name!),
  );
}
