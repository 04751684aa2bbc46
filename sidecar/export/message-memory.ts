/** The memory of one message at a time: written to again when the message is over, and only then. */
import { ProtobufWriter } from '../../metrics/protobuf-writer.ts';

/** A larger one is not kept. */
const keptBytes = 1_048_576;

/** Writes the message of a batch, whose items come to a transport's encode(). */
export type WriteMessage = (out: ProtobufWriter, items: readonly Buffer[]) => void;

export class MessageMemory {
  #free: ProtobufWriter | null = null;
  #used: ProtobufWriter | null = null;

  /** Empty. What was taken before stays as it is. */
  take(): ProtobufWriter {
    const writer = this.#free ?? new ProtobufWriter();
    this.#free = null;
    this.#used = writer;
    writer.clear();
    return writer;
  }

  /** What was taken last is read no more. */
  release(): void {
    if (this.#used !== null && this.#used.capacity <= keptBytes) this.#free = this.#used;
    this.#used = null;
  }
}
