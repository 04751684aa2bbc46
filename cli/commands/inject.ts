/** `outrigger inject` and `outrigger uninject`: Kubernetes manifests in, the same with or without the sidecar out. Nothing is written when anything is wrong with one of them. */
import { statSync } from 'node:fs';
import { injectDocument, uninjectDocument } from '../../control-plane/inject/inject-document.ts';
import {
  changeManifests,
  type DocumentChangeOf,
  type ManifestFile,
  manifestsText,
} from '../../control-plane/inject/inject-manifests.ts';
import { type MeshWide, meshWideFault } from '../../control-plane/inject/knobs.ts';
import { faultText } from '../../control-plane/source/fault.ts';
import { listFiles } from '../../control-plane/source/list-files.ts';
import { readUserFile } from '../read-file.ts';
import { UserError } from '../user-error.ts';

export interface InjectOptions {
  readonly filename?: readonly string[];
  readonly set?: readonly string[];
  readonly namespace?: string;
  readonly output: 'yaml' | 'json';
}

const maxInputBytes = 64 * 1024 * 1024;

export async function inject(options: InjectOptions): Promise<number> {
  const meshWide = parseSettings('--set', options.set ?? []);
  return change(options, 'inject', (document, textOf) =>
    injectDocument(document, meshWide, options.namespace ?? '', textOf),
  );
}

export function uninject(options: InjectOptions): Promise<number> {
  return change(options, 'uninject', uninjectDocument);
}

/** `KNOB=VALUE`, each. Throws a UserError that names the flag. */
export function parseSettings(flag: string, given: readonly string[]): MeshWide {
  const settings: Record<string, string> = {};
  for (const text of given) {
    const at = text.indexOf('=');
    if (at < 1)
      throw new UserError(`${flag}: ${JSON.stringify(text)} is not KNOB=VALUE; write it as interception=tproxy`, 2);
    const [name, value] = [text.slice(0, at), text.slice(at + 1)];
    const fault = meshWideFault(name, value);
    if (fault !== '') throw new UserError(`${flag}: ${fault}`, 2);
    settings[name] = value;
  }
  return settings;
}

async function change(
  { filename = [], output }: InjectOptions,
  command: string,
  changeOf: DocumentChangeOf,
): Promise<number> {
  if (filename.length === 0)
    throw new UserError(`${command} needs -f FILE: a manifest, a folder of them, or - for stdin`, 2);
  const files: ManifestFile[] = [];
  for (const name of filename) files.push(...(name === '-' ? [await readStdin()] : readPath(name)));
  const { documents, told, faults } = changeManifests(files, changeOf);
  const refused = told.filter(({ kind }) => kind === 'refused');
  for (const { kind, line } of told)
    if (kind !== 'refused') process.stderr.write(`${kind === 'warning' ? 'warning: ' : ''}${line}\n`);
  if (faults.length > 0 || refused.length > 0)
    throw new UserError([...faults, ...refused.map(({ line }) => line)].join('\noutrigger: '));
  process.stdout.write(manifestsText(documents, output));
  return 0;
}

function readPath(path: string): readonly ManifestFile[] {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true)
    return [{ name: path, text: readUserFile(path) }];
  const { files, faults } = listFiles([path], new Set());
  if (faults.length > 0) throw new UserError(faults.map(faultText).join('\noutrigger: '));
  if (files.length === 0) throw new UserError(`${path}: there is no .yaml, .yml or .json file in this folder`);
  return files.map((file) => ({ name: file, text: readUserFile(file) }));
}

async function readStdin(): Promise<ManifestFile> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxInputBytes) throw new UserError(`stdin: is longer than ${maxInputBytes} bytes`);
    chunks.push(chunk);
  }
  return { name: 'stdin', text: Buffer.concat(chunks).toString('utf8') };
}
