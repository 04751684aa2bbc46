/** Fields of protobuf messages that log entries are made of, written by hand: what is empty is left out. Entries are made per request, and need no descriptors. */
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { textOfBytes } from '../../filters/rbac/text-match.ts';

export { BinaryWriter };

/** `value`: bytes as latin1, as headers are. */
export function text(writer: BinaryWriter, field: number, value: string | null | undefined): void {
  if (value !== undefined && value !== null && value !== '')
    writer.tag(field, WireType.LengthDelimited).string(textOfBytes(value));
}

export function bytes(writer: BinaryWriter, field: number, value: Uint8Array): void {
  writer.tag(field, WireType.LengthDelimited).bytes(value);
}

/** Enumerations and unsigned numbers. */
export function count(writer: BinaryWriter, field: number, value: number): void {
  if (value > 0) writer.tag(field, WireType.Varint).uint64(value);
}

export function bool(writer: BinaryWriter, field: number, value: boolean): void {
  if (value) writer.tag(field, WireType.Varint).bool(true);
}

export function double(writer: BinaryWriter, field: number, value: number): void {
  writer.tag(field, WireType.Bit64).double(value);
}

export function fixed64(writer: BinaryWriter, field: number, value: bigint): void {
  writer.tag(field, WireType.Bit64).fixed64(value);
}

/** A message in a field; there even when it is empty. */
export function nested(writer: BinaryWriter, field: number, write: () => void): void {
  writer.tag(field, WireType.LengthDelimited).fork();
  write();
  writer.join();
}

/** google.protobuf.Timestamp. */
export function timestamp(writer: BinaryWriter, field: number, wallMs: number): void {
  nested(writer, field, () => secondsAndNanos(writer, wallMs));
}

/** google.protobuf.Duration. */
export function duration(writer: BinaryWriter, field: number, ms: number): void {
  nested(writer, field, () => secondsAndNanos(writer, ms));
}

function secondsAndNanos(writer: BinaryWriter, ms: number): void {
  const seconds = Math.floor(ms / 1000);
  const nanos = Math.floor((ms - seconds * 1000) * 1_000_000);
  if (seconds !== 0) writer.tag(1, WireType.Varint).int64(seconds);
  if (nanos !== 0) writer.tag(2, WireType.Varint).int32(nanos);
}

/** An entry of `map<string, string>`. */
export function textEntry(writer: BinaryWriter, field: number, key: string, value: string): void {
  nested(writer, field, () => {
    text(writer, 1, key);
    text(writer, 2, value);
  });
}
