/** What an authorization service can say of a request, whatever protocol it speaks; and what of it may be done to the request. */
import type { HeaderFields } from '../../codec/header-fields.ts';
import type { HeaderName } from '../../codec/header-name.ts';
import type { HeaderAdd } from '../../config/route-config.ts';
import { changeField } from '../../router/header-mutation.ts';
import type { GateRequest } from '../request-gate.ts';

export interface HeaderChange {
  readonly name: HeaderName;
  readonly value: string;
  /** `join`: to the value that is there, with a comma; nothing where none is. */
  readonly action: HeaderAdd['action'] | 'join';
}

export interface Allowed {
  readonly kind: 'ok';
  readonly request: readonly HeaderChange[];
  /** Lower case. */
  readonly removed: readonly string[];
  readonly response: readonly HeaderChange[];
  readonly query: {
    readonly set: ReadonlyArray<readonly [string, string]>;
    readonly removed: readonly string[];
  };
  /** For gates behind and the log; null: nothing. */
  readonly metadata: unknown;
}

export interface Denied {
  readonly kind: 'denied';
  /** 0: it does not say. */
  readonly status: number;
  readonly fields: readonly HeaderChange[];
  readonly body: Buffer;
  readonly metadata: unknown;
}

/** `error`: there is no usable answer. `invalid`: it wants something done to the request that must not be. */
export interface Unusable {
  readonly kind: 'error' | 'invalid';
  /** A piece of a sentence. */
  readonly why: string;
}

export type Authorization = Allowed | Denied | Unusable;

/** What a service is asked. */
export interface Question {
  readonly request: GateRequest;
  readonly contextExtensions: ReadonlyMap<string, string>;
}

export interface Authorizer {
  /** `done` is called once, unless the call is cancelled; perhaps before this returns. */
  ask(question: Question, done: (answer: Authorization) => void): { cancel(): void };
}

/** Fields that frame or address a message: never somebody else's to write, nor copied from one message into another. */
const framing: ReadonlySet<string> = new Set([
  'host',
  'connection',
  'content-length',
  'transfer-encoding',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'upgrade',
  'expect',
  'http2-settings',
]);

export function isFraming(lower: string): boolean {
  return lower.startsWith(':') || framing.has(lower);
}

export function changeFields(fields: HeaderFields, changes: readonly HeaderChange[]): void {
  for (const { name, value, action } of changes) {
    if (action !== 'join') changeField(fields, name, value, action);
    else if (fields.has(name.lower)) fields.set(name, [...fields.getAll(name.lower), value].join(','));
  }
}
