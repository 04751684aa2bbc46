/**
 * JSON Patch (RFC 6902) between two values that differ as injection makes them: fields, and named items of lists that were put in or taken out. One such patch is the webhook's answer and the change
 * to a file, so that the two cannot differ.
 */

import { pointer, pointerParts } from '../../yaml/json-pointer.ts';

export type PatchOperation =
  | { readonly op: 'add' | 'replace'; readonly path: string; readonly value: unknown }
  | { readonly op: 'remove'; readonly path: string };

/** What makes `after` of `before`. Lists whose items have names keep those that both have; others are replaced whole. */
export function jsonPatch(before: unknown, after: unknown, path = ''): readonly PatchOperation[] {
  const operations: PatchOperation[] = [];
  compare(before, after, path, operations);
  return operations;
}

function compare(before: unknown, after: unknown, path: string, operations: PatchOperation[]): void {
  if (Object.is(before, after)) return;
  if (Array.isArray(before) && Array.isArray(after)) {
    compareLists(before, after, path, operations);
  } else if (isMap(before) && isMap(after)) {
    for (const key of Object.keys(before))
      if (!Object.hasOwn(after, key)) operations.push({ op: 'remove', path: path + pointer([key]) });
    for (const [key, value] of Object.entries(after)) {
      const at = path + pointer([key]);
      if (Object.hasOwn(before, key)) compare(before[key], value, at, operations);
      else operations.push({ op: 'add', path: at, value });
    }
  } else operations.push({ op: 'replace', path, value: after });
}

function compareLists(before: readonly unknown[], after: readonly unknown[], path: string, to: PatchOperation[]): void {
  const [old, now] = [names(before), names(after)];
  if (old !== null && now !== null && isWithin(old, now)) {
    let next = 0;
    for (const [at, value] of after.entries())
      if (next < old.length && old[next] === now[at]) compare(before[next++], value, `${path}/${at}`, to);
      else to.push({ op: 'add', path: `${path}/${at}`, value });
  } else if (old !== null && now !== null && isWithin(now, old)) {
    let kept = 0;
    for (const [at, value] of before.entries())
      if (kept < now.length && now[kept] === old[at]) compare(value, after[kept], `${path}/${kept++}`, to);
      else to.push({ op: 'remove', path: `${path}/${kept}` });
  } else if (JSON.stringify(before) !== JSON.stringify(after)) to.push({ op: 'replace', path, value: after });
}

/** Null: they have none, or not one each. */
function names(list: readonly unknown[]): readonly string[] | null {
  const found = list.map((item) => (isMap(item) && Object.hasOwn(item, 'name') ? item['name'] : null));
  return found.every((name) => typeof name === 'string') && new Set(found).size === found.length
    ? (found as readonly string[])
    : null;
}

/** Whether `some` stand in `all`, in their order. */
function isWithin(some: readonly string[], all: readonly string[]): boolean {
  let next = 0;
  for (const name of all) if (next < some.length && some[next] === name) next++;
  return next === some.length;
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A copy in which no part stands for another, as in a value of YAML with aliases. Of values that are nested within bounds. */
function copy(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(copy);
  return isMap(value) ? Object.fromEntries(Object.entries(value).map(([key, each]) => [key, copy(each)])) : value;
}

/** A copy of the value with the changes. Throws an Error when one has no place. */
export function applyPatch(value: unknown, operations: readonly PatchOperation[]): unknown {
  let root = copy(value);
  for (const operation of operations) {
    const parts = [...pointerParts(operation.path)];
    const last = parts.pop();
    if (last === undefined) {
      root = operation.op === 'remove' ? undefined : copy(operation.value);
      continue;
    }
    let parent = root;
    for (const part of parts)
      parent = Array.isArray(parent) ? parent[Number(part)] : isMap(parent) ? parent[part] : undefined;
    if (Array.isArray(parent)) {
      const [index, gone] = [Number(last), operation.op === 'add' ? 0 : 1];
      if (operation.op === 'remove') parent.splice(index, gone);
      else parent.splice(index, gone, copy(operation.value));
    } else if (isMap(parent)) {
      const map = parent as Record<string, unknown>;
      if (operation.op === 'remove') delete map[last];
      else
        Object.defineProperty(map, last, {
          value: copy(operation.value),
          configurable: true,
          enumerable: true,
          writable: true,
        });
    } else throw new Error(`${operation.op} ${operation.path}: there is no such place`);
  }
  return root;
}
