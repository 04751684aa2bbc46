/**
 * Checks proto JSON (from YAML or JSON) against a message type before it is converted, so that every fault has its path: the converter stops at the first and names none.
 * Fields go by their names in the .proto file or in lowerCamelCase, as protobuf says.
 */
import { type DescEnum, type DescField, type DescMessage, ScalarType } from '@bufbuild/protobuf';
import { apiRegistry } from './api-registry.ts';
import { isCutField } from './cut-fields.ts';
import { at, type Faults } from './fault.ts';
import { isIgnoredField, isSupportedMessage } from './ignored-fields.ts';

type JsonObject = Record<string, unknown>;

/** Adds faults for what cannot be a `schema`. `path` uses the names of the .proto file. */
export function checkJson(schema: DescMessage, value: unknown, path: string, faults: Faults): void {
  switch (schema.typeName) {
    case 'google.protobuf.Duration':
      if (typeof value !== 'string' || !/^-?\d+(?:\.\d{1,9})?s$/.test(value))
        faults.add(path, `${show(value, path)} is not a duration; write it as 2s or 0.25s`);
      return;
    case 'google.protobuf.Any':
      checkAny(value, path, faults);
      return;
    case 'google.protobuf.Struct':
      if (!isObject(value)) faults.add(path, `${show(value, path)} is not a mapping`);
      return;
    case 'google.protobuf.Value':
    case 'google.protobuf.Timestamp':
      return;
  }
  const wrapped = schema.typeName.startsWith('google.protobuf.') ? schema.fields[0] : undefined;
  if (wrapped !== undefined) {
    if (wrapped.fieldKind === 'scalar') checkScalar(wrapped.scalar, value, path, faults);
    return;
  }
  if (!isObject(value)) {
    faults.add(path, `${show(value, path)} is not a mapping`);
    return;
  }
  const chosen = new Map<string, string>();
  for (const [key, inner] of Object.entries(value)) {
    if (key === '@type') continue;
    const field = schema.fields.find((candidate) => candidate.name === key || candidate.jsonName === key);
    if (field === undefined) {
      const known = isCutField(schema.typeName, key);
      faults.add(
        at(path, key),
        known ? 'is not supported; see docs/xds-support.md' : `there is no such field in ${schema.typeName}`,
      );
      continue;
    }
    if (inner === null) continue;
    const other = field.oneof === undefined ? undefined : chosen.get(field.oneof.name);
    if (other !== undefined) faults.add(at(path, field.name), `cannot stand beside ${other}: one of them`);
    else if (field.oneof !== undefined) chosen.set(field.oneof.name, field.name);
    if (!isIgnoredField(schema.typeName, field.name)) checkField(field, inner, at(path, field.name), faults);
  }
}

function checkField(field: DescField, value: unknown, path: string, faults: Faults): void {
  switch (field.fieldKind) {
    case 'scalar':
      checkScalar(field.scalar, value, path, faults);
      break;
    case 'enum':
      checkEnum(field.enum, value, path, faults);
      break;
    case 'message':
      checkJson(field.message, value, path, faults);
      break;
    case 'list':
      if (!Array.isArray(value)) {
        faults.add(path, `${show(value, path)} is not a list`);
        return;
      }
      for (const [i, item] of value.entries()) {
        if (field.listKind === 'message') checkJson(field.message, item, at(path, i), faults);
        else if (field.listKind === 'enum') checkEnum(field.enum, item, at(path, i), faults);
        else checkScalar(field.scalar, item, at(path, i), faults);
      }
      break;
    case 'map':
      if (!isObject(value)) {
        faults.add(path, `${show(value, path)} is not a mapping`);
        return;
      }
      for (const [key, item] of Object.entries(value)) {
        if (field.mapKind === 'message') checkJson(field.message, item, `${path}["${key}"]`, faults);
      }
      break;
  }
}

function checkAny(value: unknown, path: string, faults: Faults): void {
  const type = isObject(value) ? value['@type'] : undefined;
  if (typeof type !== 'string') {
    faults.add(path, 'needs "@type": type.googleapis.com/…');
    return;
  }
  const typeName = type.slice(type.lastIndexOf('/') + 1);
  const schema = apiRegistry.getMessage(typeName);
  if (schema === undefined || !isSupportedMessage(typeName))
    faults.add(path, `${typeName} is not supported; see docs/xds-support.md`);
  else checkJson(schema, value, path, faults);
}

function checkEnum(type: DescEnum, value: unknown, path: string, faults: Faults): void {
  const known =
    typeof value === 'number'
      ? type.values.some((each) => each.number === value)
      : type.values.some((each) => each.name === value);
  if (!known) faults.add(path, `${show(value, path)} is not one of ${type.values.map((each) => each.name).join(', ')}`);
}

function checkScalar(type: ScalarType, value: unknown, path: string, faults: Faults): void {
  switch (type) {
    case ScalarType.STRING:
    case ScalarType.BYTES:
      if (typeof value !== 'string') faults.add(path, `${show(value, path)} is not text`);
      break;
    case ScalarType.BOOL:
      if (typeof value !== 'boolean') faults.add(path, `${show(value, path)} is neither true nor false`);
      break;
    case ScalarType.FLOAT:
    case ScalarType.DOUBLE:
      if (typeof value !== 'number') faults.add(path, `${show(value, path)} is not a number`);
      break;
    default:
      checkWhole(type, value, path, faults);
  }
}

const largest = new Map<ScalarType, number>([
  [ScalarType.UINT32, 0xffff_ffff],
  [ScalarType.FIXED32, 0xffff_ffff],
  [ScalarType.INT32, 0x7fff_ffff],
  [ScalarType.SINT32, 0x7fff_ffff],
  [ScalarType.SFIXED32, 0x7fff_ffff],
]);

/** Whole numbers; those of 64 bits may be text, as proto JSON has them. */
function checkWhole(type: ScalarType, value: unknown, path: string, faults: Faults): void {
  const number = typeof value === 'string' && /^-?\d+$/.test(value) ? Number(value) : value;
  const unsigned =
    type === ScalarType.UINT32 ||
    type === ScalarType.UINT64 ||
    type === ScalarType.FIXED32 ||
    type === ScalarType.FIXED64;
  const limit = largest.get(type);
  if (typeof number !== 'number' || !Number.isInteger(number) || (unsigned && number < 0))
    faults.add(path, `${show(value, path)} is not a whole number${unsigned ? ' from 0' : ''}`);
  else if (limit !== undefined && (number > limit || number < -limit - 1))
    faults.add(path, `${show(value, path)} is too large; ${limit} is the limit`);
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Keys and passwords are never shown, however wrong they are. */
const hidden = /(?:^|\.)(?:private_key|password)(?:[.[]|$)/;

function show(value: unknown, path: string): string {
  if (hidden.test(path)) return 'what stands there (not shown)';
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}
