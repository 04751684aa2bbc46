/** The manifests in fixtures/, and every pod in them. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { documentValue, readDocuments } from '../../yaml/read-documents.ts';
import { type ManifestFile } from './inject-manifests.ts';
import { type FoundPod, findPods } from './workload.ts';

const folder = join(import.meta.dirname, 'fixtures');

export const fixtures: readonly ManifestFile[] = readdirSync(folder)
  .filter((name) => /^[a-z-]+\.yaml$/.test(name))
  .map((name) => ({ name, text: readFileSync(join(folder, name), 'utf8') }));

export function goldenPath(name: string): string {
  return join(folder, name);
}

export function documentsOf({ text }: ManifestFile): readonly unknown[] {
  return readDocuments(text, 'kubernetes').documents.map(documentValue);
}

export const fixturePods: readonly FoundPod[] = fixtures
  .flatMap(documentsOf)
  .flatMap((document) => findPods(document).pods);
