/**
 * Turns `.proto` files into protobuf's own descriptors, one FileDescriptorProto per file: what protoc would do, as far as code generation needs it.
 * protobufjs parses; names are resolved here. Options (validation rules, annotations) are left out: nothing of ours reads them, and the files that
 * only declare options then need not be loaded. Runs at set-up, never in a program.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import {
  type DescriptorProto,
  DescriptorProtoSchema,
  type EnumDescriptorProto,
  EnumDescriptorProtoSchema,
  type FieldDescriptorProto,
  FieldDescriptorProto_Label,
  FieldDescriptorProto_Type,
  FieldDescriptorProtoSchema,
  type FileDescriptorProto,
  FileDescriptorProtoSchema,
  file_google_protobuf_any,
  file_google_protobuf_duration,
  file_google_protobuf_empty,
  file_google_protobuf_struct,
  file_google_protobuf_timestamp,
  file_google_protobuf_wrappers,
  type ServiceDescriptorProto,
  ServiceDescriptorProtoSchema,
} from '@bufbuild/protobuf/wkt';
import protobuf from 'protobufjs';

const scalarTypes: Readonly<Record<string, FieldDescriptorProto_Type>> = {
  double: FieldDescriptorProto_Type.DOUBLE,
  float: FieldDescriptorProto_Type.FLOAT,
  int64: FieldDescriptorProto_Type.INT64,
  uint64: FieldDescriptorProto_Type.UINT64,
  int32: FieldDescriptorProto_Type.INT32,
  fixed64: FieldDescriptorProto_Type.FIXED64,
  fixed32: FieldDescriptorProto_Type.FIXED32,
  bool: FieldDescriptorProto_Type.BOOL,
  string: FieldDescriptorProto_Type.STRING,
  bytes: FieldDescriptorProto_Type.BYTES,
  uint32: FieldDescriptorProto_Type.UINT32,
  sfixed32: FieldDescriptorProto_Type.SFIXED32,
  sfixed64: FieldDescriptorProto_Type.SFIXED64,
  sint32: FieldDescriptorProto_Type.SINT32,
  sint64: FieldDescriptorProto_Type.SINT64,
};

/** Well-known types: the runtime brings their descriptors, and generated code refers to its copies. */
const wellKnown: readonly FileDescriptorProto[] = [
  file_google_protobuf_any,
  file_google_protobuf_duration,
  file_google_protobuf_empty,
  file_google_protobuf_struct,
  file_google_protobuf_timestamp,
  file_google_protobuf_wrappers,
].map((file) => file.proto);

interface SourceFile {
  readonly path: string;
  readonly packageName: string;
  readonly imports: readonly string[];
  readonly namespace: protobuf.NamespaceBase;
}

interface Symbol {
  readonly kind: 'message' | 'enum';
  readonly file: string;
}

/**
 * Compiles `entries` (paths as imports name them) and all that they refer to. Returns the files in dependency order. Throws with file and name when something cannot be resolved.
 */
export function compileDescriptors(includePaths: readonly string[], entries: readonly string[]): FileDescriptorProto[] {
  const sources = loadAll(includePaths, entries);
  const symbols = new Map<string, Symbol>();
  for (const source of sources.values()) collectSymbols(source.path, source.packageName, source.namespace, symbols);
  const compiled = new Map<string, FileDescriptorProto>();
  for (const file of wellKnown) {
    compiled.set(file.name, file);
    for (const message of file.messageType)
      symbols.set(`google.protobuf.${message.name}`, { kind: 'message', file: file.name });
    for (const type of file.enumType) symbols.set(`google.protobuf.${type.name}`, { kind: 'enum', file: file.name });
  }
  const visit = (path: string): void => {
    if (compiled.has(path)) return;
    const source = sources.get(path);
    if (source === undefined) throw new Error(`${path}: not loaded`);
    const file = compileFile(source, symbols);
    compiled.set(path, file);
    for (const dependency of file.dependency) visit(dependency);
  };
  for (const entry of entries) visit(entry);
  return inDependencyOrder(compiled);
}

function loadAll(includePaths: readonly string[], entries: readonly string[]): Map<string, SourceFile> {
  const sources = new Map<string, SourceFile>();
  const pending = [...entries];
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    if (sources.has(path)) continue;
    const found = includePaths.map((folder) => join(folder, path!)).find((candidate) => existsSync(candidate));
    // Files that only declare options (gnostic, for one) are not in the package, and nothing refers to their types.
    if (found === undefined) continue;
    const root = new protobuf.Root();
    const parsed = protobuf.parse(readFileSync(found, 'utf8'), root, { keepCase: true });
    const packageName = parsed.package ?? '';
    const namespace = packageName === '' ? root : (root.lookup(packageName) as protobuf.NamespaceBase);
    const imports = [...(parsed.imports ?? []), ...(parsed.weakImports ?? [])];
    sources.set(path, { path, packageName, imports, namespace });
    pending.push(...imports);
  }
  return sources;
}

function collectSymbols(
  file: string,
  scope: string,
  namespace: protobuf.NamespaceBase,
  symbols: Map<string, Symbol>,
): void {
  for (const nested of namespace.nestedArray) {
    const name = scope === '' ? nested.name : `${scope}.${nested.name}`;
    if (nested instanceof protobuf.Type) {
      symbols.set(name, { kind: 'message', file });
      collectSymbols(file, name, nested, symbols);
    } else if (nested instanceof protobuf.Enum) {
      symbols.set(name, { kind: 'enum', file });
    }
  }
}

function compileFile(source: SourceFile, symbols: ReadonlyMap<string, Symbol>): FileDescriptorProto {
  const uses = new Set<string>();
  const resolve = (name: string, scope: string): { fullName: string; symbol: Symbol } => {
    const found = resolveName(name, scope, symbols);
    if (found === null) throw new Error(`${source.path}: ${scope} refers to ${name}, which is nowhere`);
    if (found.symbol.file !== source.path) uses.add(found.symbol.file);
    return found;
  };
  const file = create(FileDescriptorProtoSchema, { name: source.path, package: source.packageName, syntax: 'proto3' });
  for (const nested of source.namespace.nestedArray) {
    if (nested instanceof protobuf.Type) file.messageType.push(compileMessage(nested, source.packageName, resolve));
    else if (nested instanceof protobuf.Enum) file.enumType.push(compileEnum(nested));
    else if (nested instanceof protobuf.Service) file.service.push(compileService(nested, source.packageName, resolve));
  }
  file.dependency = [...uses].sort();
  return file;
}

/** Protobuf's scoping: the innermost enclosing scope in which the name is found. */
function resolveName(
  name: string,
  scope: string,
  symbols: ReadonlyMap<string, Symbol>,
): { fullName: string; symbol: Symbol } | null {
  if (name.startsWith('.')) {
    const symbol = symbols.get(name.slice(1));
    return symbol === undefined ? null : { fullName: name.slice(1), symbol };
  }
  for (let at = scope; ; at = at.slice(0, Math.max(0, at.lastIndexOf('.')))) {
    const fullName = at === '' ? name : `${at}.${name}`;
    const symbol = symbols.get(fullName);
    if (symbol !== undefined) return { fullName, symbol };
    if (at === '') return null;
  }
}

type Resolve = (name: string, scope: string) => { fullName: string; symbol: Symbol };

function compileMessage(type: protobuf.Type, scope: string, resolve: Resolve): DescriptorProto {
  const fullName = scope === '' ? type.name : `${scope}.${type.name}`;
  const message = create(DescriptorProtoSchema, { name: type.name });
  const oneofs = [...type.oneofsArray].sort((a, b) => Number(isSynthetic(a)) - Number(isSynthetic(b)));
  for (const oneof of oneofs)
    message.oneofDecl.push({
      $typeName: 'google.protobuf.OneofDescriptorProto',
      name: oneof.name,
    } as (typeof message.oneofDecl)[number]);
  for (const field of type.fieldsArray) {
    const compiled = compileField(field, fullName, resolve, message);
    const oneof = oneofs.findIndex((candidate) => candidate.oneof.includes(field.name));
    if (oneof >= 0) {
      compiled.oneofIndex = oneof;
      if (isSynthetic(oneofs[oneof]!)) compiled.proto3Optional = true;
    }
    message.field.push(compiled);
  }
  for (const nested of type.nestedArray) {
    if (nested instanceof protobuf.Type) message.nestedType.push(compileMessage(nested, fullName, resolve));
    else if (nested instanceof protobuf.Enum) message.enumType.push(compileEnum(nested));
  }
  return message;
}

/** proto3 `optional` is a oneof of one field, named after it with an underscore in front. */
function isSynthetic(oneof: protobuf.OneOf): boolean {
  return oneof.oneof.length === 1 && oneof.name === `_${oneof.oneof[0]!}`;
}

function compileField(
  field: protobuf.Field,
  scope: string,
  resolve: Resolve,
  message: DescriptorProto,
): FieldDescriptorProto {
  const compiled = create(FieldDescriptorProtoSchema, {
    name: field.name,
    number: field.id,
    label:
      field.repeated || field instanceof protobuf.MapField
        ? FieldDescriptorProto_Label.REPEATED
        : FieldDescriptorProto_Label.OPTIONAL,
    jsonName: jsonName(field.name),
  });
  if (field instanceof protobuf.MapField) {
    const entryName = `${pascalCase(field.name)}Entry`;
    const entry = create(DescriptorProtoSchema, { name: entryName, options: { mapEntry: true } });
    entry.field.push(
      plainField('key', 1, field.keyType, scope, resolve),
      plainField('value', 2, field.type, scope, resolve),
    );
    message.nestedType.push(entry);
    compiled.type = FieldDescriptorProto_Type.MESSAGE;
    compiled.typeName = `.${scope}.${entryName}`;
  } else {
    setType(compiled, field.type, scope, resolve);
  }
  return compiled;
}

function plainField(name: string, number: number, type: string, scope: string, resolve: Resolve): FieldDescriptorProto {
  const field = create(FieldDescriptorProtoSchema, {
    name,
    number,
    label: FieldDescriptorProto_Label.OPTIONAL,
    jsonName: name,
  });
  setType(field, type, scope, resolve);
  return field;
}

function setType(field: FieldDescriptorProto, type: string, scope: string, resolve: Resolve): void {
  const scalar = scalarTypes[type];
  if (scalar !== undefined) {
    field.type = scalar;
    return;
  }
  const { fullName, symbol } = resolve(type, scope);
  field.type = symbol.kind === 'message' ? FieldDescriptorProto_Type.MESSAGE : FieldDescriptorProto_Type.ENUM;
  field.typeName = `.${fullName}`;
}

function compileEnum(type: protobuf.Enum): EnumDescriptorProto {
  const compiled = create(EnumDescriptorProtoSchema, { name: type.name });
  for (const [name, number] of Object.entries(type.values)) {
    compiled.value.push({
      $typeName: 'google.protobuf.EnumValueDescriptorProto',
      name,
      number,
    } as (typeof compiled.value)[number]);
  }
  return compiled;
}

function compileService(service: protobuf.Service, scope: string, resolve: Resolve): ServiceDescriptorProto {
  const compiled = create(ServiceDescriptorProtoSchema, { name: service.name });
  for (const method of service.methodsArray) {
    compiled.method.push({
      $typeName: 'google.protobuf.MethodDescriptorProto',
      name: method.name,
      inputType: `.${resolve(method.requestType, scope).fullName}`,
      outputType: `.${resolve(method.responseType, scope).fullName}`,
      clientStreaming: method.requestStream === true,
      serverStreaming: method.responseStream === true,
    } as (typeof compiled.method)[number]);
  }
  return compiled;
}

/** protoc's rule: underscores go, the letter behind each becomes upper case. */
function jsonName(name: string): string {
  return name.replace(/_+(.?)/g, (_, letter: string) => letter.toUpperCase());
}

function pascalCase(name: string): string {
  const camel = jsonName(name);
  return camel.charAt(0).toUpperCase() + camel.slice(1);
}

function inDependencyOrder(files: ReadonlyMap<string, FileDescriptorProto>): FileDescriptorProto[] {
  const ordered: FileDescriptorProto[] = [];
  const seen = new Set<string>();
  const visit = (file: FileDescriptorProto): void => {
    if (seen.has(file.name)) return;
    seen.add(file.name);
    for (const dependency of file.dependency) visit(files.get(dependency)!);
    ordered.push(file);
  };
  for (const file of [...files.values()].sort((a, b) => (a.name < b.name ? -1 : 1))) visit(file);
  return ordered;
}
