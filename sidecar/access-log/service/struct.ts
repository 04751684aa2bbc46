/** JSON as google.protobuf.Struct. */
import type { ProtobufWriter } from '../../../metrics/protobuf-writer.ts';
import { text } from './entry-text.ts';

const mostDepth = 16;

/** The fields of a Struct; what is nested deeper than 16 is null. */
export function structFields(writer: ProtobufWriter, value: object, depth = 0): void {
  for (const [name, member] of Object.entries(value))
    writer.message(1, () => {
      text(writer, 1, name);
      writer.message(2, () => structValue(writer, member, depth + 1));
    });
}

function structValue(writer: ProtobufWriter, value: unknown, depth: number): void {
  if (typeof value === 'number') writer.double(2, value);
  else if (typeof value === 'string') {
    if (value === '') writer.stringAlways(3, '');
    else text(writer, 3, value);
  } else if (typeof value === 'boolean') writer.bool(4, value);
  else if (typeof value !== 'object' || value === null || depth > mostDepth) writer.int(1, 0);
  else if (Array.isArray(value))
    writer.message(6, () => {
      for (const item of value) writer.message(1, () => structValue(writer, item, depth + 1));
    });
  else writer.message(5, () => structFields(writer, value, depth));
}
