/**
 * Builds `dist/`: one file per program, and the files of the dashboard (build-dashboard.ts). The sidecar is a bundle of its own, so that it loads neither the control plane nor grpc-js;
 * libraries of the control plane and CLI stay in node_modules.
 */
import { rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BuildOptions, build } from 'esbuild';
import { buildDashboard } from './build-dashboard.ts';
import { leanBuiltins } from './lean-builtins.ts';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, 'dist');

const shared: BuildOptions = {
  absWorkingDir: root,
  bundle: true,
  platform: 'node',
  target: 'node26',
  format: 'esm',
  sourcemap: 'linked',
  sourcesContent: false,
  legalComments: 'none',
  logLevel: 'warning',
  // Bundled CommonJS libraries ask for `require`.
  banner: { js: "const require = process.getBuiltinModule('node:module').createRequire(import.meta.url);" },
};

rmSync(dist, { recursive: true, force: true });
await Promise.all([
  buildDashboard(root, dist),
  build({
    ...shared,
    entryPoints: { sidecar: 'cli/sidecar-program.ts' },
    plugins: [leanBuiltins],
    outdir: dist,
    splitting: true,
    chunkNames: 'sidecar-[name]-[hash]',
    minifyWhitespace: true,
    minifySyntax: true,
    minifyIdentifiers: false,
  }),
  build({
    ...shared,
    entryPoints: { outrigger: 'cli/main.ts' },
    outdir: dist,
    splitting: true,
    chunkNames: 'outrigger-[name]-[hash]',
    packages: 'external',
  }),
  // Of container images: decides which of the two runs, and imports it by path.
  build({
    ...shared,
    entryPoints: { container: 'cli/container-program.ts' },
    outdir: dist,
    sourcemap: false,
    banner: {},
  }),
]);
writeFileSync(join(dist, 'package.json'), '{"type":"module"}\n');
