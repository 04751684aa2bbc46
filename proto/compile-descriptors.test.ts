import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toBinary } from '@bufbuild/protobuf';
import {
  type DescriptorProto,
  FieldDescriptorProto_Label,
  FieldDescriptorProto_Type,
  type FileDescriptorProto,
  FileDescriptorProtoSchema,
} from '@bufbuild/protobuf/wkt';
import protobuf from 'protobufjs';
import { afterEach, describe, expect, it } from 'vitest';
import { compileDescriptors } from './compile-descriptors.ts';
import { entryFiles, includePaths } from './proto-sources.ts';

let folder: string | null = null;

afterEach(() => {
  if (folder !== null) rmSync(folder, { recursive: true });
  folder = null;
});

/** Compiles the text of one file. */
function compile(text: string): FileDescriptorProto {
  folder = mkdtempSync(join(tmpdir(), 'outrigger-proto-'));
  writeFileSync(join(folder, 'a.proto'), text);
  return compileDescriptors([folder], ['a.proto']).find((file) => file.name === 'a.proto')!;
}

function messages(files: readonly FileDescriptorProto[]): Map<string, DescriptorProto> {
  const found = new Map<string, DescriptorProto>();
  const add = (message: DescriptorProto, scope: string): void => {
    const name = `${scope}.${message.name}`;
    found.set(name, message);
    for (const nested of message.nestedType) add(nested, name);
  };
  for (const file of files) for (const message of file.messageType) add(message, file.package);
  return found;
}

describe('descriptors from .proto files', () => {
  it('are the same each time', () => {
    const once = (): string[] =>
      compileDescriptors(includePaths, entryFiles).map((file) =>
        Buffer.from(toBinary(FileDescriptorProtoSchema, file)).toString('base64'),
      );
    expect(once()).toEqual(once());
  });

  it('stand behind the files that they depend on', () => {
    const seen = new Set<string>();
    for (const file of compileDescriptors(includePaths, entryFiles)) {
      for (const dependency of file.dependency) expect(seen).toContain(dependency);
      seen.add(file.name);
    }
  });

  it("agree with protobufjs' own resolution on every field of Envoy's API", () => {
    const root = new protobuf.Root();
    // Files that only declare options are not in the package: they are skipped.
    root.resolvePath = (_origin, target) =>
      [...includePaths, join(import.meta.dirname, '../node_modules/protobufjs')]
        .map((path) => join(path, target))
        .find((path) => existsSync(path)) ?? null;
    const files = compileDescriptors(includePaths, entryFiles).filter((file) => file.package !== 'google.protobuf');
    root.loadSync(
      files.map((file) => file.name),
      { keepCase: true },
    );
    let fields = 0;
    for (const [name, message] of messages(files)) {
      if (message.options?.mapEntry === true) continue;
      const type = root.lookupType(name);
      expect(message.field.map((field) => field.name).sort()).toEqual(
        type.fieldsArray.map((field) => field.name).sort(),
      );
      for (const field of message.field) {
        fields++;
        const other = type.fields[field.name]!.resolve();
        const resolved = other.resolvedType === null ? '' : other.resolvedType.fullName;
        const repeated = other.repeated || other instanceof protobuf.MapField;
        const typeName = other instanceof protobuf.MapField ? field.typeName : resolved;
        expect([
          name,
          field.name,
          field.number,
          field.label === FieldDescriptorProto_Label.REPEATED,
          field.typeName,
        ]).toEqual([name, field.name, other.id, repeated, typeName]);
      }
    }
    expect(fields).toBeGreaterThan(1_000);
  });

  it('know optional, maps, oneofs and JSON names of proto3', () => {
    const file = compile(`syntax = "proto3"; package t;
      enum Color { RED = 0; BLUE = 5; }
      message M {
        optional string maybe_text = 1;
        map<string, M> by_name = 2;
        oneof choice { int32 one_way = 3; Color other_way = 4; }
        repeated double numbers = 5;
        message Inner { M outer = 1; }
        Inner inner_message = 6;
      }`);
    const [message] = file.messageType;
    const field = (name: string) => message!.field.find((each) => each.name === name)!;
    expect(field('maybe_text')).toMatchObject({ proto3Optional: true, jsonName: 'maybeText' });
    expect(message!.oneofDecl.map((oneof) => oneof.name)).toEqual(['choice', '_maybe_text']);
    expect(field('one_way').oneofIndex).toBe(0);
    expect(field('by_name')).toMatchObject({
      typeName: '.t.M.ByNameEntry',
      label: FieldDescriptorProto_Label.REPEATED,
    });
    expect(message!.nestedType.find((nested) => nested.name === 'ByNameEntry')).toMatchObject({
      options: { mapEntry: true },
    });
    expect(field('other_way')).toMatchObject({ type: FieldDescriptorProto_Type.ENUM, typeName: '.t.Color' });
    expect(field('inner_message').typeName).toBe('.t.M.Inner');
    expect(file.enumType[0]!.value.map(({ name, number }) => [name, number])).toEqual([
      ['RED', 0],
      ['BLUE', 5],
    ]);
  });

  it('know services and which side streams', () => {
    const file = compile(
      'syntax = "proto3"; package t; message A {} message B {} service S { rpc One(A) returns (B); rpc Many(stream A) returns (stream B); }',
    );
    expect(
      file.service[0]!.method.map(({ name, inputType, outputType, clientStreaming, serverStreaming }) => [
        name,
        inputType,
        outputType,
        clientStreaming,
        serverStreaming,
      ]),
    ).toEqual([
      ['One', '.t.A', '.t.B', false, false],
      ['Many', '.t.A', '.t.B', true, true],
    ]);
  });

  it('say which type is nowhere, and in which file', () => {
    expect(() => compile('syntax = "proto3"; package t; message A { Missing b = 1; }')).toThrow(
      'a.proto: t.A refers to Missing, which is nowhere',
    );
  });
});
