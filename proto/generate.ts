/**
 * Generates `proto/generated/`: TypeScript types and descriptors for the messages that we use, from Envoy's `.proto` files in @grpc/grpc-js-xds and from
 * ours beside this file. Part of set-up (scripts/with-setup.mjs).
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { CodeGeneratorRequestSchema, CodeGeneratorResponseSchema, type FileDescriptorProto } from '@bufbuild/protobuf/wkt';
import { compileDescriptors } from './compile-descriptors.ts';
import { pruneDescriptors } from './prune-descriptors.ts';
import { sidecarMessages } from './sidecar-messages.ts';

const here = import.meta.dirname;
const modules = join(here, '..', 'node_modules');
const includePaths = [
  ...['envoy-api', 'googleapis', 'protoc-gen-validate', 'xds'].map((folder) => join(modules, '@grpc/grpc-js-xds/deps', folder)),
  here,
];
const entries = [
  'envoy/config/bootstrap/v3/bootstrap.proto',
  'envoy/service/discovery/v3/ads.proto',
  'envoy/service/status/v3/csds.proto',
  'envoy/admin/v3/config_dump.proto',
  'envoy/extensions/access_loggers/file/v3/file.proto',
  'envoy/extensions/access_loggers/stream/v3/stream.proto',
  'envoy/extensions/filters/http/router/v3/router.proto',
  'envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.proto',
  'envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector.proto',
  'envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer.proto',
  'envoy/extensions/transport_sockets/tls/v3/tls.proto',
  'envoy/extensions/upstreams/http/v3/http_protocol_options.proto',
  'outrigger/registry/v1/registry.proto',
];

/** Writes what protoc-gen-es makes of `files` into `folder`, which is emptied first. */
function generate(files: readonly FileDescriptorProto[], folder: string): void {
  const request = create(CodeGeneratorRequestSchema, {
    fileToGenerate: files.map((file) => file.name).filter((name) => !name.startsWith('google/protobuf/')),
    parameter: 'target=js+dts,import_extension=js',
    protoFile: [...files],
  });
  const plugin = spawnSync(process.execPath, [join(modules, '@bufbuild/protoc-gen-es/bin/protoc-gen-es')], {
    input: toBinary(CodeGeneratorRequestSchema, request),
    maxBuffer: 256 * 1024 * 1024,
  });
  if (plugin.status !== 0) throw new Error(`protoc-gen-es failed: ${plugin.stderr.toString()}`);
  const response = fromBinary(CodeGeneratorResponseSchema, plugin.stdout);
  if (response.error !== '') throw new Error(`protoc-gen-es: ${response.error}`);
  rmSync(folder, { recursive: true, force: true });
  for (const file of response.file) {
    const path = join(folder, file.name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, file.content);
  }
}

const files = compileDescriptors(includePaths, entries);
const target = join(here, 'generated');
generate(files, target);
// Inside of the other, so that one line of .gitignore covers both.
generate(pruneDescriptors(files, sidecarMessages), join(target, 'sidecar'));
