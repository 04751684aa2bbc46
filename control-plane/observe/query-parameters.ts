/** Parameters of /api/v1 → what sidecars are asked for. A name that nobody knows is refused: a filter that is misspelt would show everything. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { RequestFilterSchema } from '../../proto/generated/outrigger/observe/v1/observe_pb.js';

export type FilterInit = MessageInitShape<typeof RequestFilterSchema>;

/** What the caller got wrong. */
export class ParameterFault extends Error {}

/** Full names of services, `orders` → `shop/orders`; what is not known, or not unique, as it is. */
export type FullName = (name: string) => string;

const filterNames = [
  ...['direction', 'source', 'destination', 'route', 'method', 'pathPrefix', 'status', 'flag', 'errors'],
  ...['minDuration', 'header'],
];

/** `others`: further parameters of the place. Throws {@link ParameterFault}. */
export function readFilter(query: URLSearchParams, others: readonly string[], fullName: FullName): FilterInit {
  checkNames(query, [...filterNames, ...others]);
  const text = (name: string): string => query.get(name) ?? '';
  const minMs = text('minDuration') === '' ? 0 : readDurationMs('minDuration', text('minDuration'));
  return {
    direction: text('direction'),
    source: fullName(text('source')),
    destination: fullName(text('destination')),
    route: text('route'),
    method: text('method').toUpperCase(),
    pathPrefix: text('pathPrefix'),
    status: text('status'),
    flag: text('flag'),
    errors: readSwitch(query, 'errors'),
    ...(minMs === 0
      ? {}
      : { minDuration: { seconds: BigInt(Math.floor(minMs / 1_000)), nanos: (minMs % 1_000) * 1_000_000 } }),
    headers: Object.fromEntries(query.getAll('header').map(readHeader)),
  };
}

export function checkNames(query: URLSearchParams, known: readonly string[]): void {
  for (const name of query.keys())
    if (!known.includes(name))
      throw new ParameterFault(
        `${JSON.stringify(name.slice(0, 100))} is no parameter here; there are ${known.join(', ')}`,
      );
}

/** `name` alone: it has to be there; `name=value` or `name:value`: exactly. */
function readHeader(text: string): [string, string] {
  const at = text.search(/[=:]/);
  const name = (at < 0 ? text : text.slice(0, at)).trim().toLowerCase();
  if (!/^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(name))
    throw new ParameterFault(`header: ${JSON.stringify(text.slice(0, 100))} is not NAME or NAME=VALUE`);
  return [name, at < 0 ? '' : text.slice(at + 1).trim()];
}

export function readSwitch(query: URLSearchParams, name: string): boolean {
  const value = query.get(name);
  if (value === null || value === '0' || value === 'false') return false;
  if (value === '' || value === '1' || value === 'true') return true;
  throw new ParameterFault(`${name}: ${JSON.stringify(value.slice(0, 100))} is neither 1 nor 0`);
}

/** `500ms`, `2s`, `1m`, in whole milliseconds. */
export function readDurationMs(name: string, text: string): number {
  const match = /^(\d{1,9}(?:\.\d{1,6})?)(ms|s|m|h)$/.exec(text);
  if (match === null)
    throw new ParameterFault(
      `${name}: ${JSON.stringify(text.slice(0, 100))} is not a duration; write it as 2s or 500ms`,
    );
  return Math.round(
    Number(match[1]) * { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }[match[2] as 'ms' | 's' | 'm' | 'h'],
  );
}

export function readWhole(query: URLSearchParams, name: string, fallback: number, least: number, most: number): number {
  const text = query.get(name);
  if (text === null) return fallback;
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= least && value <= most))
    throw new ParameterFault(
      `${name}: ${JSON.stringify(text.slice(0, 100))} is not a whole number from ${least} to ${most}`,
    );
  return value;
}
