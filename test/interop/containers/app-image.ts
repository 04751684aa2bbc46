/** An image of an application that knows nothing of the mesh, FROM scratch: Node with the libraries that it needs, our small programs, and gRPC's interop programs. No registry is asked for anything. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { peer } from '../programs.ts';
import type { ContainerEngine } from './container-engine.ts';

/** In the image: what a test runs there. */
export const appPrograms = {
  node: '/node',
  app: '/pod-app-program.ts',
  call: '/intercepted-call-program.ts',
  grpcServer: '/grpc-interop-server',
  grpcClient: '/grpc-interop-client',
} as const;

/** Its name. */
export async function appImage(engine: ContainerEngine): Promise<string> {
  const files: ReadonlyArray<readonly [from: string, to: string]> = [
    [realpathSync(process.execPath), appPrograms.node],
    [join(import.meta.dirname, 'pod-app-program.ts'), appPrograms.app],
    [join(import.meta.dirname, '..', 'intercepted-call-program.ts'), appPrograms.call],
    [peer('grpc-interop-server'), appPrograms.grpcServer],
    [peer('grpc-interop-client'), appPrograms.grpcClient],
    ...librariesOf(process.execPath).map((path) => [realpathSync(path), path] as const),
  ];
  const hash = createHash('sha256');
  for (const [from, to] of files) hash.update(`${to}\0`).update(readFileSync(from));
  const name = `localhost/outrigger-test-app:${hash.digest('hex').slice(0, 12)}`;
  if (await engine.imageExists(name)) return name;
  const work = mkdtempSync(join(engine.folder, 'app-'));
  try {
    for (const [from, to] of [
      ...files,
      [writtenTo(work, 'package.json', '{"type":"module"}'), '/package.json'] as const,
    ]) {
      mkdirSync(join(work, 'root', dirname(to)), { recursive: true });
      copyFileSync(from, join(work, 'root', to));
    }
    const recipe = writtenTo(work, 'Containerfile', `FROM scratch\nCOPY root /\nENTRYPOINT ["${appPrograms.node}"]\n`);
    await engine.buildah(['bud', '--quiet', '--isolation', 'chroot', '-f', recipe, '-t', name, work]);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return name;
}

function writtenTo(folder: string, name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

/** The loader too. */
function librariesOf(program: string): readonly string[] {
  const said = execFileSync('ldd', [program], { encoding: 'utf8' });
  return [...said.matchAll(/(?:=> |^\s)(\/\S+) \(/gm)].map((match) => match[1]!);
}
