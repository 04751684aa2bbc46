/**
 * Proto JSON as Envoy reads it, brought to the form of the standard: names of enum values in any case, and a single value where a list is wanted. Bootstrap files in the wild have both
 * (SPIRE's among them). Says nothing about faults: what cannot be understood stays as it is.
 */
import type { DescEnum, DescMessage } from '@bufbuild/protobuf';
import { apiRegistry } from './api-registry.ts';

type JsonObject = Readonly<Record<string, unknown>>;

export function standardJson(schema: DescMessage, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  if (schema.typeName === 'google.protobuf.Any') {
    const type = (value as JsonObject)['@type'];
    const inner = typeof type === 'string' ? apiRegistry.getMessage(type.slice(type.lastIndexOf('/') + 1)) : undefined;
    return inner === undefined ? value : standardJson(inner, value);
  }
  if (schema.typeName.startsWith('google.protobuf.')) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => {
      const field = schema.fields.find(({ name, jsonName }) => name === key || jsonName === key);
      if (field === undefined || inner === null) return [key, inner];
      switch (field.fieldKind) {
        case 'enum':
          return [key, enumName(field.enum, inner)];
        case 'message':
          return [key, standardJson(field.message, inner)];
        case 'list': {
          const items: readonly unknown[] = Array.isArray(inner) ? inner : [inner];
          if (field.listKind === 'message') return [key, items.map((item) => standardJson(field.message, item))];
          return [key, field.listKind === 'enum' ? items.map((item) => enumName(field.enum, item)) : items];
        }
        case 'map':
          return [key, field.mapKind === 'message' ? values(field.message, inner) : inner];
        default:
          return [key, inner];
      }
    }),
  );
}

function values(schema: DescMessage, map: unknown): unknown {
  if (typeof map !== 'object' || map === null || Array.isArray(map)) return map;
  return Object.fromEntries(Object.entries(map).map(([key, value]) => [key, standardJson(schema, value)]));
}

function enumName(type: DescEnum, value: unknown): unknown {
  if (typeof value !== 'string' || type.values.some(({ name }) => name === value)) return value;
  return type.values.find(({ name }) => name.toUpperCase() === value.toUpperCase())?.name ?? value;
}
