/** Headers of a record under the names by which Envoy's operators know them. */
import type { HeaderFields } from '../codec/header-fields.ts';
import { textOfBytes } from '../filters/rbac/text-match.ts';
import type { LogRecord } from './log-record.ts';

/** Of a record; null: it is not there. */
export type HeaderFinder = (record: LogRecord) => string | null;

/** Finds a header of requests. `name`: in lower case; of several values all are found, with commas. */
export function requestHeader(name: string): HeaderFinder {
  switch (name) {
    case ':method':
      return ({ head }) => (head === null ? null : head.method);
    case ':path':
      return (record) => (record.head === null ? null : record.path);
    case 'x-envoy-original-path':
      // Only where the path was rewritten, as in Envoy: `%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%` is the usual form.
      return (record) => {
        const { originalPath } = record;
        return record.head === null || originalPath === record.path ? null : originalPath;
      };
    case ':authority':
    case 'host':
      return ({ head }) => (head === null || head.authority === '' ? null : head.authority);
    case ':scheme':
      return ({ head }) => (head === null ? null : head.scheme);
    default:
      return ({ head }) => (head === null ? null : fieldValue(head.fields, name));
  }
}

/** Finds a header of answers. */
export function responseHeader(name: string): HeaderFinder {
  if (name === ':status') return ({ status }) => (status === 0 ? null : String(status));
  return ({ responseFields }) => fieldValue(responseFields, name);
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
