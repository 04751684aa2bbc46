/** What peers said, as text in an entry. */
import type { ProtobufWriter } from '../../../metrics/protobuf-writer.ts';
import { textOfBytes } from '../../filters/rbac/text-match.ts';

/** `value`: bytes as latin1, as headers are. What is empty is left out. */
export function text(writer: ProtobufWriter, field: number, value: string | null | undefined): void {
  if (value !== undefined && value !== null) writer.string(field, textOfBytes(value));
}
