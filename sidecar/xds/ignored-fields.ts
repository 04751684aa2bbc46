/** The messages that the sidecar takes, and which of their fields may be there without effect: what supported-fields.ts says, without its notes, which a process would carry for nothing. */
import ignoredFields from './api/ignored-fields.json' with { type: 'json' };

const ignored: Readonly<Record<string, readonly string[]>> = ignoredFields;

export function isSupportedMessage(message: string): boolean {
  return Object.hasOwn(ignored, message);
}

/** Whether a field of a message may be there without effect. */
export function isIgnoredField(message: string, field: string): boolean {
  return ignored[message]?.includes(field) === true;
}

/** Messages that are taken whole: all of their fields. */
export const wholeMessages: ReadonlySet<string> = new Set([
  'google.protobuf.Duration',
  'google.protobuf.Struct',
  'google.protobuf.Timestamp',
  'google.protobuf.Empty',
  'google.api.expr.v1alpha1.Expr',
]);
