/** One sidecar that attends: asks it, and hands its answers to who asked. What it says of itself is put right: nobody speaks for another. */
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { type Answer, type Query, QuerySchema } from '../../proto/generated/outrigger/observe/v1/observe_pb.js';
import { makeTimesValid } from './valid-times.ts';

export type QueryInit = NonNullable<MessageInitShape<typeof QuerySchema>['query']>;

export interface Attendant {
  readonly nodeId: string;
  /** `namespace/service`. */
  readonly service: string;
  /** What it proved; '': it came by the plain door. */
  readonly identity: string;
}

export interface AskedBy {
  onAnswer(answer: Answer): void;
  /** No more comes: it is gone, or too much is asked of it. Not after an answer that says done, nor after stop. */
  onGone(): void;
}

/** A sidecar takes 16 that go on. */
const mostQuestions = 64;
const mostRecords = 1_000;
const mostEdges = 5_000;
const mostBreakers = 2_000;

export class AttendingProxy implements Attendant {
  readonly nodeId: string;
  readonly service: string;
  readonly identity: string;
  readonly #send: (query: Query) => void;
  readonly #questions = new Map<bigint, AskedBy>();
  #lastId = 0n;
  #gone = false;

  constructor({ nodeId, service, identity }: Attendant, send: (query: Query) => void) {
    this.nodeId = nodeId;
    this.service = service;
    this.identity = identity;
    this.#send = send;
  }

  /** The returned function ends it: nothing comes then. */
  ask(query: QueryInit, by: AskedBy): () => void {
    if (this.#gone || this.#questions.size >= mostQuestions) {
      queueMicrotask(() => by.onGone());
      return () => {};
    }
    const id = ++this.#lastId;
    this.#questions.set(id, by);
    this.#send(create(QuerySchema, { id, query }));
    return () => {
      if (!this.#questions.delete(id) || this.#gone) return;
      this.#send(create(QuerySchema, { query: { case: 'stop', value: id } }));
    };
  }

  onAnswer(answer: Answer): void {
    const by = this.#questions.get(answer.queryId);
    // Of one that was stopped meanwhile.
    if (by === undefined) return;
    if (answer.done) this.#questions.delete(answer.queryId);
    answer.requests.length = Math.min(answer.requests.length, mostRecords);
    answer.edges.length = Math.min(answer.edges.length, mostEdges);
    answer.breakers.length = Math.min(answer.breakers.length, mostBreakers);
    makeTimesValid(answer);
    for (const record of answer.requests) {
      record.service = this.service;
      record.nodeId = this.nodeId;
    }
    for (const edge of answer.edges) {
      if (edge.direction === 'inbound') edge.destination = this.service;
      else edge.source = this.service;
    }
    by.onAnswer(answer);
  }

  gone(): void {
    this.#gone = true;
    const questions = [...this.#questions.values()];
    this.#questions.clear();
    for (const by of questions) by.onGone();
  }
}
