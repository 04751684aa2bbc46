/** One query that is being answered: a tap or figures, which go on until they are stopped. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { AnswerSchema } from '../xds/api/outrigger/observe/v1/observe_pb.js';

export type AnswerPart = MessageInitShape<typeof AnswerSchema>;

export interface RunningQuery {
  /** Nothing is sent after this. */
  stop(): void;
}

/** Where its answers go. */
export interface AnswerStream {
  answer(part: AnswerPart): void;
  /** The peer does not take what was sent: what can be dropped is. */
  readonly blocked: boolean;
  /** The query is over by itself. Called once, after its last answer. */
  done(): void;
}
