/** Runs protoc-gen-es over descriptors and writes what it makes into a folder, which is emptied first. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  CodeGeneratorRequestSchema,
  CodeGeneratorResponseSchema,
  type FileDescriptorProto,
} from '@bufbuild/protobuf/wkt';

const plugin = join(import.meta.dirname, '..', 'node_modules/@bufbuild/protoc-gen-es/bin/protoc-gen-es');

export function writeGenerated(files: readonly FileDescriptorProto[], folder: string): void {
  const request = create(CodeGeneratorRequestSchema, {
    fileToGenerate: files.map((file) => file.name).filter((name) => !name.startsWith('google/protobuf/')),
    // JavaScript with declarations: the TypeScript that it can make has enums, which Node does not strip.
    parameter: 'target=js+dts,import_extension=js',
    protoFile: [...files],
  });
  const run = spawnSync(process.execPath, [plugin], {
    input: toBinary(CodeGeneratorRequestSchema, request),
    maxBuffer: 256 * 1024 * 1024,
  });
  if (run.status !== 0) throw new Error(`protoc-gen-es failed: ${run.stderr.toString()}`);
  const response = fromBinary(CodeGeneratorResponseSchema, run.stdout);
  if (response.error !== '') throw new Error(`protoc-gen-es: ${response.error}`);
  rmSync(folder, { recursive: true, force: true });
  for (const file of response.file) {
    const path = join(folder, file.name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, file.content);
  }
}
