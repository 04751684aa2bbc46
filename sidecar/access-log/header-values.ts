/** Headers of a record under the names by which Envoy's operators know them. */
import type { HeaderFields } from '../codec/header-fields.ts';
import { textOfBytes } from '../filters/rbac/text-match.ts';
import type { LogRecord } from './log-record.ts';

/** Null: it is not there. Names are in lower case; of several values all, with commas. */
export function requestHeader(record: LogRecord, name: string): string | null {
  const { head } = record;
  if (head === null) return null;
  switch (name) {
    case ':method':
      return head.method;
    case ':path':
      return record.path;
    case 'x-envoy-original-path': {
      // Only where the path was rewritten, as in Envoy: `%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%` is the usual form.
      const { originalPath } = record;
      return originalPath === record.path ? null : originalPath;
    }
    case ':authority':
    case 'host':
      return head.authority === '' ? null : head.authority;
    case ':scheme':
      return head.scheme;
    default:
      return fieldValue(head.fields, name);
  }
}

export function responseHeader(record: LogRecord, name: string): string | null {
  if (name === ':status') return record.status === 0 ? null : String(record.status);
  return fieldValue(record.responseFields, name);
}

/** All values of a name as one list, as text: what came are bytes. */
export function fieldValue(fields: HeaderFields | null, name: string): string | null {
  if (fields === null) return null;
  const { names, values } = fields;
  let value: string | null = null;
  for (let i = 0; i < names.length; i++)
    if (names[i]!.lower === name) value = value === null ? values[i]! : `${value},${values[i]!}`;
  return value === null ? null : textOfBytes(value);
}

/** Bytes of names and values, before any compression (Envoy's HeaderMap::byteSize). */
export function fieldBytes(fields: HeaderFields | null): number {
  if (fields === null) return 0;
  const { names, values } = fields;
  let bytes = 0;
  for (let i = 0; i < names.length; i++) bytes += names[i]!.lower.length + values[i]!.length;
  return bytes;
}

/** The same of a request with what is not among its fields. Host is `:authority`. */
export function requestHeadBytes({ head }: LogRecord): number {
  if (head === null) return 0;
  const host = head.fields.get('host');
  const fields = fieldBytes(head.fields) - (host === undefined ? 0 : 4 + host.length);
  const pseudo: ReadonlyArray<readonly [string, string]> = [
    [':method', head.method],
    [':path', head.path],
    [':authority', head.authority],
    [':scheme', head.scheme],
  ];
  return pseudo.reduce((sum, [name, value]) => (value === '' ? sum : sum + name.length + value.length), fields);
}

export function responseHeadBytes({ responseFields, status }: LogRecord): number {
  return responseFields === null ? 0 : fieldBytes(responseFields) + ':status'.length + String(status).length;
}
