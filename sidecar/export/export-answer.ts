/** What a collector's answers to Export mean, the same for traces and logs. Source: opentelemetry.io/docs/specs/otlp, "OTLP/gRPC". Knows neither spans nor records. */
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';

/**
 * gRPC statuses after which the same may be sent again: CANCELLED, DEADLINE_EXCEEDED, ABORTED, OUT_OF_RANGE, UNAVAILABLE, DATA_LOSS. RESOURCE_EXHAUSTED only where the collector says when, which is in a trailer that our calls do not read.
 */
export const retryableStatuses: ReadonlySet<number> = new Set([1, 4, 10, 11, 14, 15]);

const mostWords = 256;

export interface ExportAnswer {
  /** Spans or records that were not taken, of those that came. */
  readonly rejected: number;
  /** Why; ''. Cut. */
  readonly message: string;
}

/** `partial_success` of an Export…ServiceResponse; of one that has none all was taken. Throws an Error where it is no such message. */
export function decodeExportAnswer(bytes: Uint8Array): ExportAnswer {
  let rejected = 0;
  let message = '';
  try {
    eachField(new BinaryReader(bytes), (field, type, reader) => {
      if (field !== 1 || type !== WireType.LengthDelimited) return false;
      eachField(new BinaryReader(reader.bytes()), (inner, innerType, said) => {
        if (inner === 1 && innerType === WireType.Varint) rejected = Math.max(0, Number(said.int64()));
        else if (inner === 2 && innerType === WireType.LengthDelimited) message = said.string();
        else return false;
        return true;
      });
      return true;
    });
  } catch (error) {
    throw new Error('the answer is no protobuf, or is cut short', { cause: error });
  }
  return { rejected, message: message.slice(0, mostWords) };
}

/** `take`: false leaves the field unread. */
function eachField(reader: BinaryReader, take: (field: number, type: WireType, reader: BinaryReader) => boolean): void {
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (!take(field, type, reader)) reader.skip(type);
  }
}
