/** An xDS resource ready to send: its message, its bytes, and a version that says whether two are the same. */
import { createHash } from 'node:crypto';
import { create, type DescMessage, type Message, type MessageShape, toBinary } from '@bufbuild/protobuf';
import { type Any, AnySchema } from '@bufbuild/protobuf/wkt';

export interface EncodedResource {
  readonly name: string;
  readonly typeUrl: string;
  /** The first 16 hex digits of the bytes' SHA-256: equal content has an equal version, on every control plane and after every restart. */
  readonly version: string;
  readonly bytes: Uint8Array;
  readonly message: Message;
}

const typeUrlOf = (schema: DescMessage): string => `type.googleapis.com/${schema.typeName}`;

export function encodeResource<Schema extends DescMessage>(
  schema: Schema,
  name: string,
  message: MessageShape<Schema>,
): EncodedResource {
  const bytes = toBinary(schema, message);
  return {
    name,
    typeUrl: typeUrlOf(schema),
    version: createHash('sha256').update(bytes).digest('hex').slice(0, 16),
    bytes,
    message,
  };
}

/** google.protobuf.Any of a message. */
export function packAny<Schema extends DescMessage>(schema: Schema, message: MessageShape<Schema>): Any {
  return create(AnySchema, { typeUrl: typeUrlOf(schema), value: toBinary(schema, message) });
}
