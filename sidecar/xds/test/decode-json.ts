/** From proto JSON through all checks to our own form, as a bootstrap's resources go: for tests of the decoders. */
import { type DescMessage, fromJson, type JsonValue, type MessageShape } from '@bufbuild/protobuf';
import { apiRegistry } from '../api-registry.ts';
import { checkFields } from '../check-fields.ts';
import { checkJson } from '../check-json.ts';
import { Faults, faultText } from '../fault.ts';

export interface Decoded<T> {
  readonly value: T | null;
  readonly faults: readonly string[];
}

export function decodeJson<S extends DescMessage, T>(
  schema: S,
  json: unknown,
  decode: (message: MessageShape<S>, path: string, faults: Faults) => T,
): Decoded<T> {
  const faults = new Faults();
  checkJson(schema, json, '', faults);
  if (faults.any) return { value: null, faults: faults.list.map(faultText) };
  const message = fromJson(schema, json as JsonValue, { registry: apiRegistry });
  checkFields(schema, message, '', faults);
  if (faults.any) return { value: null, faults: faults.list.map(faultText) };
  const value = decode(message, '', faults);
  return { value: faults.any ? null : value, faults: faults.list.map(faultText) };
}
