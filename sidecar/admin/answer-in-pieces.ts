/** The body of an answer that is made as it is taken: the next piece when the one before has gone out. A caller that does not read has one piece made for it, and the time limits of its connection end it. */
import type { ServerStream } from '../codec/codec.ts';
import { ProxyError } from '../codec/proxy-error.ts';

const nothing = Buffer.alloc(0);
const unfinished = new ProxyError({
  flag: 'LR',
  source: 'local',
  details: 'admin_answer_failed',
  message: 'The answer could not be made to its end.',
});

export class AnswerInPieces {
  readonly #stream: ServerStream;
  readonly #onPiece: () => void;
  #cancelled = false;
  #blocked = false;
  #whenReady: (() => void) | null = null;

  /** Begins at once. `onPiece`: one was taken. `onEnd`: nothing is held for it any more. */
  constructor(
    stream: ServerStream,
    pieces: AsyncGenerator<Buffer, void, undefined>,
    onPiece: () => void,
    onEnd: () => void,
  ) {
    this.#stream = stream;
    this.#onPiece = onPiece;
    void this.#send(pieces)
      .catch(() => {
        if (!this.#cancelled) stream.reset(unfinished);
      })
      .finally(onEnd);
  }

  block(): void {
    this.#blocked = true;
  }

  unblock(): void {
    this.#blocked = false;
    this.#whenReady?.();
    this.#whenReady = null;
  }

  /** The caller is gone. */
  cancel(): void {
    this.#cancelled = true;
    this.unblock();
  }

  async #send(pieces: AsyncGenerator<Buffer, void, undefined>): Promise<void> {
    for await (const piece of pieces) {
      if (this.#cancelled) return;
      this.#stream.sendData(piece, false);
      if (this.#blocked) await new Promise<void>((resolve) => (this.#whenReady = resolve));
      if (this.#cancelled) return;
      this.#onPiece();
    }
    this.#stream.sendData(nothing, true);
  }
}
