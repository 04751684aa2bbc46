/** What an operator finds in a record. */
import type { LogRecord } from './log-record.ts';

/** Null: absent. An object: JSON, which stands in a JSON line as it is. */
export type LogValue = string | number | boolean | null | { readonly json: string };
export type Operator = (record: LogRecord) => LogValue;

export function orAbsent(text: string | undefined): string | null {
  return text === undefined || text === '' ? null : text;
}

export function textOf(value: LogValue, absent: string): string {
  if (value === null) return absent;
  return typeof value === 'object' ? value.json : String(value);
}
