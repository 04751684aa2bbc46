/**
 * Cuts descriptors down to the fields that are kept, and to the messages and enums that these reach: what a program loads then is what it uses. Returns the names of the fields
 * that were cut, so that one that comes all the same can be called by its name.
 */
import { clone } from '@bufbuild/protobuf';
import {
  type DescriptorProto,
  type EnumDescriptorProto,
  FieldDescriptorProto_Label,
  type FileDescriptorProto,
  FileDescriptorProtoSchema,
} from '@bufbuild/protobuf/wkt';

export interface PruneRules {
  /** Full names of messages to begin with. */
  readonly roots: readonly string[];
  /** Whether a field of a message is kept; asked by the message's full name and the field's name. */
  keep(message: string, field: string): boolean;
}

export interface Pruned {
  readonly files: readonly FileDescriptorProto[];
  /** By message: field number → name, of kept messages. */
  readonly cut: Readonly<Record<string, Readonly<Record<number, string>>>>;
}

const wellKnown = 'google.protobuf.';

export function pruneDescriptors(files: readonly FileDescriptorProto[], rules: PruneRules): Pruned {
  const messages = new Map<string, { message: DescriptorProto; file: string }>();
  const enums = new Map<string, string>();
  const copies = files.map((file) =>
    file.package === 'google.protobuf' ? file : clone(FileDescriptorProtoSchema, file),
  );
  for (const file of copies) {
    for (const message of file.messageType) index(message, file.package, file.name, messages, enums);
    for (const type of file.enumType) enums.set(`${file.package}.${type.name}`, file.name);
  }
  const cut: Record<string, Record<number, string>> = {};
  const reached = reach(rules, messages, cut);
  const kept: FileDescriptorProto[] = [];
  for (const file of copies) {
    if (file.package === 'google.protobuf') {
      kept.push(file);
      continue;
    }
    file.messageType = file.messageType.filter((message) =>
      cutNested(message, `${file.package}.${message.name}`, reached),
    );
    file.enumType = file.enumType.filter((type) => reached.has(`${file.package}.${type.name}`));
    file.service = [];
    if (file.messageType.length + file.enumType.length > 0) kept.push(file);
  }
  const fileOf = (typeName: string): string => messages.get(typeName)?.file ?? enums.get(typeName) ?? '';
  for (const file of kept) if (file.package !== 'google.protobuf') file.dependency = dependencies(file, fileOf);
  return { files: kept, cut };
}

function index(
  message: DescriptorProto,
  scope: string,
  file: string,
  messages: Map<string, { message: DescriptorProto; file: string }>,
  enums: Map<string, string>,
): void {
  const name = `${scope}.${message.name}`;
  messages.set(name, { message, file });
  for (const nested of message.nestedType) index(nested, name, file, messages, enums);
  for (const type of message.enumType) enums.set(`${name}.${type.name}`, file);
}

/** Removes fields that are not kept, follows those that are, and gives the full names of all messages and enums that were met. */
function reach(
  rules: PruneRules,
  messages: ReadonlyMap<string, { message: DescriptorProto }>,
  cut: Record<string, Record<number, string>>,
): Set<string> {
  const reached = new Set<string>();
  const pending = [...rules.roots];
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    if (reached.has(name)) continue;
    reached.add(name);
    const found = messages.get(name);
    if (found === undefined || name.startsWith(wellKnown)) continue;
    const { message } = found;
    if (message.options?.mapEntry !== true) cutFields(message, name, rules, cut);
    for (const field of message.field) if (field.typeName !== '') pending.push(field.typeName.slice(1));
  }
  return reached;
}

function cutFields(
  message: DescriptorProto,
  name: string,
  rules: PruneRules,
  cut: Record<string, Record<number, string>>,
): void {
  const gone: Record<number, string> = {};
  const kept = message.field.filter((field) => {
    const keep = rules.keep(name, field.name);
    if (!keep) gone[field.number] = field.name;
    return keep;
  });
  if (Object.keys(gone).length > 0) cut[name] = gone;
  // Oneofs without fields go; the others move up.
  const inOneof = (field: (typeof kept)[number]): boolean =>
    field.label !== FieldDescriptorProto_Label.REPEATED && oneofOf.has(field);
  const oneofOf = new Map(
    kept.filter((field) => Object.hasOwn(field, 'oneofIndex')).map((field) => [field, field.oneofIndex]),
  );
  const used = [...new Set(kept.filter(inOneof).map((field) => oneofOf.get(field)!))].sort((a, b) => a - b);
  for (const field of kept) if (inOneof(field)) field.oneofIndex = used.indexOf(oneofOf.get(field)!);
  message.oneofDecl = used.map((at) => message.oneofDecl[at]!);
  message.field = kept;
}

/** Keeps what was reached below a message; a message that only holds others stays, empty. */
function cutNested(message: DescriptorProto, name: string, reached: ReadonlySet<string>): boolean {
  message.nestedType = message.nestedType.filter((nested) => cutNested(nested, `${name}.${nested.name}`, reached));
  message.enumType = message.enumType.filter((type: EnumDescriptorProto) => reached.has(`${name}.${type.name}`));
  if (reached.has(name)) return true;
  message.field = [];
  message.oneofDecl = [];
  return message.nestedType.length + message.enumType.length > 0;
}

function dependencies(file: FileDescriptorProto, fileOf: (typeName: string) => string): string[] {
  const found = new Set<string>();
  const visit = (message: DescriptorProto): void => {
    for (const field of message.field) if (field.typeName !== '') found.add(fileOf(field.typeName.slice(1)));
    for (const nested of message.nestedType) visit(nested);
  };
  for (const message of file.messageType) visit(message);
  found.delete(file.name);
  found.delete('');
  return [...found].sort();
}
