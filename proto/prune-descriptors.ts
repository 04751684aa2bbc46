/**
 * Cuts descriptors down to the messages that a program decodes. A field whose message is not kept stays, under its own name and number, as opaque `bytes`: the same on the wire,
 * so that a field which is set and not understood is still seen and named. Pure: descriptors in, descriptors out.
 */
import { clone, create } from '@bufbuild/protobuf';
import {
  type DescriptorProto,
  DescriptorProtoSchema,
  type EnumDescriptorProto,
  type FieldDescriptorProto,
  FieldDescriptorProto_Type,
  FieldDescriptorProtoSchema,
  type FileDescriptorProto,
  FileDescriptorProtoSchema,
} from '@bufbuild/protobuf/wkt';

/**
 * `kept` holds full names of messages. Services go; enums stay where a kept message has a field of them, and become int32 in none: every field of a kept message keeps its type
 * unless that is a message outside of `kept`. Files of `google.protobuf` stay whole, as the runtime has them anyway. Throws when a name in `kept` is nowhere.
 */
export function pruneDescriptors(files: readonly FileDescriptorProto[], kept: ReadonlySet<string>): FileDescriptorProto[] {
  const enums = new Set<string>();
  const found = new Set<string>();
  const fileOf = new Map<string, string>();
  for (const file of files) {
    for (const message of file.messageType) noteMessage(message, file.package, file.name, kept, enums, found, fileOf);
    for (const type of file.enumType) fileOf.set(`${file.package}.${type.name}`, file.name);
  }
  const missing = [...kept].filter((name) => !found.has(name));
  if (missing.length > 0) throw new Error(`these messages are to be kept, and no file has them: ${missing.join(', ')}`);
  return files.flatMap((file) => (isRuntimes(file.name) ? [file] : pruneFile(file, kept, enums, fileOf)));
}

function isRuntimes(file: string): boolean {
  return file.startsWith('google/protobuf/');
}

function noteMessage(
  message: DescriptorProto,
  scope: string,
  file: string,
  kept: ReadonlySet<string>,
  enums: Set<string>,
  found: Set<string>,
  fileOf: Map<string, string>,
): void {
  const name = `${scope}.${message.name}`;
  found.add(name);
  fileOf.set(name, file);
  for (const type of message.enumType) fileOf.set(`${name}.${type.name}`, file);
  for (const nested of message.nestedType) noteMessage(nested, name, file, kept, enums, found, fileOf);
  if (!kept.has(name)) return;
  for (const field of [...message.field, ...message.nestedType.filter(isMapEntry).flatMap((entry) => entry.field)]) {
    if (field.type === FieldDescriptorProto_Type.ENUM) enums.add(field.typeName.slice(1));
  }
}

function pruneFile(file: FileDescriptorProto, kept: ReadonlySet<string>, enums: ReadonlySet<string>, fileOf: ReadonlyMap<string, string>): FileDescriptorProto[] {
  const uses = new Set<string>();
  const messageType = file.messageType.flatMap((message) => pruneMessage(message, file.package, kept, enums, uses));
  const enumType = file.enumType.filter((type) => enums.has(`${file.package}.${type.name}`));
  if (messageType.length === 0 && enumType.length === 0) return [];
  const dependency = new Set<string>();
  for (const name of uses) {
    const from = fileOf.get(name);
    if (from !== undefined && from !== file.name) dependency.add(from);
  }
  return [create(FileDescriptorProtoSchema, { name: file.name, package: file.package, syntax: file.syntax, dependency: [...dependency].sort(), messageType, enumType })];
}

/** None for a message that nothing needs; one that only holds kept ones is left as an empty shell around them. */
function pruneMessage(message: DescriptorProto, scope: string, kept: ReadonlySet<string>, enums: ReadonlySet<string>, uses: Set<string>): DescriptorProto[] {
  const name = `${scope}.${message.name}`;
  const isKept = kept.has(name);
  const maps = new Map(message.nestedType.filter(isMapEntry).map((entry) => [`.${name}.${entry.name}`, entry]));
  const nestedType = message.nestedType.flatMap((nested) => (isMapEntry(nested) ? [] : pruneMessage(nested, name, kept, enums, uses)));
  const enumType: EnumDescriptorProto[] = message.enumType.filter((type) => enums.has(`${name}.${type.name}`));
  if (!isKept) return nestedType.length + enumType.length === 0 ? [] : [create(DescriptorProtoSchema, { name: message.name, nestedType, enumType })];
  const field = message.field.map((each) => {
    const entry = maps.get(each.typeName);
    const pruned = entry === undefined ? pruneField(each, kept, uses) : each;
    if (entry !== undefined) nestedType.push({ ...clone(DescriptorProtoSchema, entry), field: entry.field.map((inner) => pruneField(inner, kept, uses)) });
    return pruned;
  });
  return [create(DescriptorProtoSchema, { name: message.name, field, nestedType, enumType, oneofDecl: message.oneofDecl })];
}

function pruneField(field: FieldDescriptorProto, kept: ReadonlySet<string>, uses: Set<string>): FieldDescriptorProto {
  const typeName = field.typeName.slice(1);
  if (typeName === '') return field;
  if (field.type === FieldDescriptorProto_Type.ENUM || kept.has(typeName) || typeName.startsWith('google.protobuf.')) {
    uses.add(typeName);
    return field;
  }
  return create(FieldDescriptorProtoSchema, { ...clone(FieldDescriptorProtoSchema, field), type: FieldDescriptorProto_Type.BYTES, typeName: '' });
}

function isMapEntry(message: DescriptorProto): boolean {
  return message.options?.mapEntry === true;
}
