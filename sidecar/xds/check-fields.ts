/**
 * Walks a message and reports every field that is set and that the sidecar does not take, by its path, also inside `Any`. So an unsupported field is never silence.
 */
import { type DescField, type DescMessage, isFieldSet, type Message } from '@bufbuild/protobuf';
import { type Any, anyUnpack } from '@bufbuild/protobuf/wkt';
import { apiRegistry } from './api-registry.ts';
import { cutFieldName } from './cut-fields.ts';
import { at, type Faults } from './fault.ts';
import { isIgnoredField, isSupportedMessage, wholeMessages } from './ignored-fields.ts';

const seeDocs = 'is not supported; see docs/xds-support.md';

/** Adds a fault for each unsupported field of `message`, which stands at `path`. */
export function checkFields(schema: DescMessage, message: Message, path: string, faults: Faults): void {
  if (wholeMessages.has(schema.typeName)) return;
  if (!isSupportedMessage(schema.typeName)) {
    faults.add(path, `${schema.typeName} ${seeDocs}`);
    return;
  }
  for (const number of new Set((message.$unknown ?? []).map((unknown) => unknown.no))) {
    const name = cutFieldName(schema.typeName, number);
    if (name === null) faults.add(path, `field number ${number} of ${schema.typeName} is not known to this version`);
    else faults.add(at(path, name), seeDocs);
  }
  for (const field of schema.fields) {
    if (!isFieldSet(message, field)) continue;
    const fieldPath = at(path, field.name);
    if (!isIgnoredField(schema.typeName, field.name)) checkValue(field, message, fieldPath, faults);
  }
}

function checkValue(field: DescField, message: Message, path: string, faults: Faults): void {
  const value = valueOf(field, message);
  // A later version's: taken for the default, it would be silence (Envoy: `defined_only`).
  if (field.fieldKind === 'enum' && !field.enum.values.some(({ number }) => number === value))
    faults.add(path, `${String(value)} is no ${field.enum.name} that is known to this version`);
  if (field.fieldKind === 'message') checkMessage(field.message, value as Message, path, faults);
  else if (field.fieldKind === 'list' && field.listKind === 'message') {
    for (const [i, item] of (value as Message[]).entries()) checkMessage(field.message, item, at(path, i), faults);
  } else if (field.fieldKind === 'map' && field.mapKind === 'message') {
    for (const [key, item] of Object.entries(value as Record<string, Message>))
      checkMessage(field.message, item, `${path}["${key}"]`, faults);
  }
}

function checkMessage(schema: DescMessage, message: unknown, path: string, faults: Faults): void {
  // Wrappers and Struct are plain values in generated code: nothing to look into.
  if (schema.typeName.startsWith('google.protobuf.') && schema.typeName !== 'google.protobuf.Any') return;
  if (schema.typeName !== 'google.protobuf.Any') {
    checkFields(schema, message as Message, path, faults);
    return;
  }
  const any = message as Any;
  const typeName = any.typeUrl.slice(any.typeUrl.lastIndexOf('/') + 1);
  const inner = apiRegistry.getMessage(typeName);
  if (inner === undefined || !isSupportedMessage(typeName)) {
    faults.add(path, `${typeName === '' ? 'an empty typed_config' : typeName} ${seeDocs}`);
    return;
  }
  let unpacked: Message | undefined;
  try {
    unpacked = anyUnpack(any, apiRegistry);
  } catch (error) {
    faults.add(path, `the bytes are not a ${typeName}: ${(error as Error).message}`);
    return;
  }
  if (unpacked !== undefined) checkFields(inner, unpacked, path, faults);
}

function valueOf(field: DescField, message: Message): unknown {
  const record = message as unknown as Record<string, unknown>;
  if (field.oneof === undefined) return record[field.localName];
  return (record[field.oneof.localName] as { value?: unknown }).value;
}
