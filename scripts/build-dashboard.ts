/** Builds `dist/dashboard/`: the page, and what it loads, by names that say what is in them, each also compressed. Everything is in there: a browser asks nobody else. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, extname, join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { build } from 'esbuild';

export async function buildDashboard(root: string, dist: string): Promise<void> {
  const folder = join(dist, 'dashboard');
  const { outputFiles, metafile } = await build({
    absWorkingDir: root,
    entryPoints: ['dashboard/main.tsx', 'dashboard/icon.svg'],
    outdir: folder,
    outbase: 'dashboard',
    entryNames: '[name]-[hash]',
    chunkNames: '[name]-[hash]',
    assetNames: '[name]-[hash]',
    bundle: true,
    // What draws charts comes when the first chart does.
    splitting: true,
    format: 'esm',
    platform: 'browser',
    target: ['chrome120', 'firefox120', 'safari17.4'],
    jsx: 'automatic',
    jsxImportSource: 'preact',
    loader: { '.svg': 'copy' },
    minify: true,
    // Whose code it is stays with it.
    legalComments: 'eof',
    metafile: true,
    write: false,
    logLevel: 'warning',
  });
  mkdirSync(folder, { recursive: true });
  const names = new Map<string, string>();
  for (const [path, { entryPoint, cssBundle }] of Object.entries(metafile.outputs)) {
    if (entryPoint === 'dashboard/main.tsx') {
      names.set('main.js', basename(path));
      names.set('main.css', basename(cssBundle!));
    } else if (entryPoint === 'dashboard/icon.svg') names.set('icon.svg', basename(path));
  }
  const page = readFileSync(join(root, 'dashboard/index.html'), 'utf8').replace(
    /\{\{([^}]+)\}\}/g,
    (_, name: string) => {
      const file = names.get(name);
      if (file === undefined) throw new Error(`dashboard/index.html names ${name}, which the build does not make`);
      return `/dashboard/${file}`;
    },
  );
  write(join(folder, 'index.html'), Buffer.from(page));
  for (const { path, contents } of outputFiles) if (extname(path) !== '.map') write(path, Buffer.from(contents));
  const licences = ['preact', 'uplot'].map(
    (name) => `${name}\n\n${readFileSync(join(root, 'node_modules', name, 'LICENSE'), 'utf8')}`,
  );
  writeFileSync(join(folder, 'licences.txt'), licences.join('\n'));
}

function write(path: string, contents: Buffer): void {
  writeFileSync(path, contents);
  writeFileSync(`${path}.gz`, gzipSync(contents, { level: 9 }));
  writeFileSync(
    `${path}.br`,
    brotliCompressSync(contents, { params: { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY } }),
  );
}
