/** What differs between two configurations: resources that one alone has, and in those that both have, each field by its path. */
import type { JsonObject, JsonValue } from '@bufbuild/protobuf';
import { type ConfigResource, isObject, type ResourceKind, textOf } from './config-resource.ts';

export interface FieldDifference {
  readonly path: string;
  /** Undefined: it is not there. */
  readonly left?: JsonValue;
  readonly right?: JsonValue;
}

export interface ResourceDifference {
  readonly kind: ResourceKind;
  readonly name: string;
  readonly change: 'only left' | 'only right' | 'changed';
  readonly left_version: string;
  readonly right_version: string;
  /** Why one of them refused the newest version; ''. */
  readonly fault: string;
  readonly fields: readonly FieldDifference[];
}

/** In the order of the left, then what the right alone has. Versions that differ are no difference. */
export function configDifferences(
  left: readonly ConfigResource[],
  right: readonly ConfigResource[],
): ResourceDifference[] {
  const byKey = (list: readonly ConfigResource[]): Map<string, ConfigResource> => {
    const found = new Map<string, ConfigResource>();
    // Of a listener in several states the first is the active one.
    for (const one of list) if (!found.has(`${one.kind} ${one.name}`)) found.set(`${one.kind} ${one.name}`, one);
    return found;
  };
  const [lefts, rights] = [byKey(left), byKey(right)];
  const differences: ResourceDifference[] = [];
  for (const key of new Set([...lefts.keys(), ...rights.keys()])) {
    const [one, other] = [lefts.get(key), rights.get(key)];
    const fields = one && other ? fieldDifferences(one.resource ?? {}, other.resource ?? {}) : [];
    const fault = one?.fault || other?.fault || '';
    if (one !== undefined && other !== undefined && fields.length === 0 && fault === '') continue;
    differences.push({
      kind: (one ?? other)!.kind,
      name: (one ?? other)!.name,
      change: one === undefined ? 'only right' : other === undefined ? 'only left' : 'changed',
      left_version: one?.version ?? '',
      right_version: other?.version ?? '',
      fault,
      fields,
    });
  }
  return differences;
}

function fieldDifferences(left: JsonObject, right: JsonObject): FieldDifference[] {
  const found: FieldDifference[] = [];
  compare('', left, right, found);
  return found;
}

function compare(
  path: string,
  left: JsonValue | undefined,
  right: JsonValue | undefined,
  found: FieldDifference[],
): void {
  if (left === right) return;
  if (isObject(left) && isObject(right)) {
    for (const key of new Set([...Object.keys(left), ...Object.keys(right)]))
      compare(path === '' ? key : `${path}.${key}`, left[key], right[key], found);
  } else if (Array.isArray(left) && Array.isArray(right)) compareLists(path, left, right, found);
  else
    found.push({
      path,
      ...(left === undefined ? {} : { left }),
      ...(right === undefined ? {} : { right }),
    });
}

/** Elements that have names are matched by them, others by their place: one that is put in front is one difference. */
function compareLists(
  path: string,
  left: readonly JsonValue[],
  right: readonly JsonValue[],
  found: FieldDifference[],
): void {
  const [leftKeys, rightKeys] = [left.map(elementKey), right.map(elementKey)];
  const named = [leftKeys, rightKeys].every(
    (keys) => keys.every((key) => key !== '') && new Set(keys).size === keys.length,
  );
  if (!named) {
    for (let i = 0; i < Math.max(left.length, right.length); i++) compare(`${path}[${i}]`, left[i], right[i], found);
    return;
  }
  for (const key of new Set([...leftKeys, ...rightKeys]))
    compare(`${path}[${key}]`, left[leftKeys.indexOf(key)], right[rightKeys.indexOf(key)], found);
  const common = (keys: readonly string[], others: readonly string[]): string =>
    keys.filter((key) => others.includes(key)).join(', ');
  const [order, otherOrder] = [common(leftKeys, rightKeys), common(rightKeys, leftKeys)];
  // Of filters, virtual hosts and routes the order counts; of endpoints it does not.
  if (order !== otherOrder && !path.endsWith('lb_endpoints'))
    found.push({ path: `${path} (order)`, left: order, right: otherOrder });
}

function elementKey(element: JsonValue): string {
  if (!isObject(element)) return '';
  const { name, endpoint } = element;
  const address =
    isObject(endpoint) && isObject(endpoint['address']) ? endpoint['address']['socket_address'] : undefined;
  if (isObject(address)) return `${textOf(address['address'])}:${String((address['port_value'] ?? 0) as number)}`;
  return textOf(name);
}

/** For people: a line for each resource, and one for each field below it. */
export function differencesText(differences: readonly ResourceDifference[], left: string, right: string): string {
  if (differences.length === 0) return '';
  const lines = [`--- ${left}`, `+++ ${right}`];
  for (const { kind, name, change, left_version: before, right_version: after, fault, fields } of differences) {
    const sign = change === 'only left' ? '-' : change === 'only right' ? '+' : '~';
    const versions =
      before === after || change !== 'changed' ? '' : `   version ${before || 'none'} | ${after || 'none'}`;
    lines.push(`${sign} ${kind} ${name}${versions}`);
    for (const field of fields) lines.push(`    ${field.path}: ${valueText(field.left)} | ${valueText(field.right)}`);
    if (fault !== '') lines.push(...fault.split('\n').map((line) => `    refused: ${line}`));
  }
  return `${lines.join('\n')}\n`;
}

const longest = 200;

function valueText(value: JsonValue | undefined): string {
  if (value === undefined) return '-';
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.length <= longest ? text : `${text.slice(0, longest)}…`;
}
