/** JSON as google.protobuf.Struct. */

import { WireType } from '@bufbuild/protobuf/wire';
import { type BinaryWriter, bool, double, nested, text } from './wire.ts';

const mostDepth = 16;

/** The fields of a Struct; what is nested deeper than 16 is null. */
export function structFields(writer: BinaryWriter, value: object, depth = 0): void {
  for (const [name, member] of Object.entries(value))
    nested(writer, 1, () => {
      text(writer, 1, name);
      nested(writer, 2, () => structValue(writer, member, depth + 1));
    });
}

function structValue(writer: BinaryWriter, value: unknown, depth: number): void {
  if (typeof value === 'number') double(writer, 2, value);
  else if (typeof value === 'string') {
    if (value === '') writer.tag(3, WireType.LengthDelimited).string('');
    else text(writer, 3, value);
  } else if (typeof value === 'boolean') {
    if (value) bool(writer, 4, true);
    else writer.tag(4, WireType.Varint).bool(false);
  } else if (typeof value !== 'object' || value === null || depth > mostDepth) writer.tag(1, WireType.Varint).int32(0);
  else if (Array.isArray(value))
    nested(writer, 6, () => {
      for (const item of value) nested(writer, 1, () => structValue(writer, item, depth + 1));
    });
  else nested(writer, 5, () => structFields(writer, value, depth));
}
