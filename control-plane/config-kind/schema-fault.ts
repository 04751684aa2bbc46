/** From zod's issues to faults in our words: field path, what was found, what is accepted. Knows no files; the source adds line and column. */
import type { z } from 'zod';
import { closestWord } from './closest-word.ts';
import { unsupportedField, unsupportedFilterType } from './unsupported-field.ts';

export interface SchemaFault {
  /** Keys and indexes from the document's root; for a field that should not be there it ends in that field. */
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/** `spec.rules[0].timeouts`; keys that are not words are quoted: `metadata.labels["a/b"]`. */
export function pathText(path: readonly PropertyKey[]): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else if (/^[A-Za-z_$][\w$]*$/.test(String(part))) text += text === '' ? String(part) : `.${String(part)}`;
    else text += `[${JSON.stringify(String(part))}]`;
  }
  return text;
}

/** All faults of one document, in the order of zod's issues. `kinds` has the schema's accepted keys by path for "did you mean". */
export function schemaFaults(error: z.ZodError, document: unknown, kind: string, schema: z.ZodType): SchemaFault[] {
  return error.issues.flatMap((issue) => issueFaults(issue, document, kind, schema));
}

function issueFaults(issue: z.core.$ZodIssue, document: unknown, kind: string, schema: z.ZodType): SchemaFault[] {
  const found = valueAt(document, issue.path);
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => ({
        path: [...issue.path, key],
        message: unknownField(key, issue.path, found, document, kind, schema),
      }));
    case 'invalid_type':
      if (found === undefined)
        return [
          {
            path: issue.path,
            message: `is missing; ${/^is not [^:]*: (.*)$/.exec(issue.message)?.[1] ?? aTypeName(issue.expected)} is expected`,
          },
        ];
      return [
        {
          path: issue.path,
          message: `${show(found)} ${issue.message.startsWith('Invalid input') ? `is not ${aTypeName(issue.expected)}` : issue.message}${quotesHint(found, issue.expected)}`,
        },
      ];
    case 'invalid_value': {
      const accepted = issue.values.map((value) => JSON.stringify(value)).join(', ');
      if (found === undefined) return [{ path: issue.path, message: `is missing; accepted: ${accepted}` }];
      const isDefaultText = issue.message.startsWith('Invalid');
      return [
        {
          path: issue.path,
          message: isDefaultText
            ? `${show(found)} is not accepted; accepted: ${accepted}${hint(found, issue.values.map(String))}`
            : `${show(found)} ${issue.message}`,
        },
      ];
    }
    case 'invalid_union': {
      const options = 'options' in issue && Array.isArray(issue.options) ? issue.options.map(String) : [];
      if (found === undefined)
        return [
          {
            path: issue.path,
            message: `is missing; accepted: ${options.map((text) => JSON.stringify(text)).join(', ')}`,
          },
        ];
      if (unsupportedFilterType(found))
        return [{ path: issue.path, message: `${show(found)} is not supported yet; accepted: ${options.join(', ')}` }];
      return [
        {
          path: issue.path,
          message: `${show(found)} is not accepted; accepted: ${options.join(', ')}${hint(found, options)}`,
        },
      ];
    }
    case 'invalid_key':
      return issue.issues.map((inner) => ({
        path: issue.path,
        message: `${JSON.stringify(String(issue.path.at(-1)))} ${inner.message}`,
      }));
    default:
      // A message that begins with its subject (a quoted value or a filter's name) stands alone.
      return [
        {
          path: issue.path,
          message:
            /^["A-Z]/.test(issue.message) || found === undefined || typeof found === 'object'
              ? issue.message
              : `${show(found)} ${issue.message}`,
        },
      ];
  }
}

function unknownField(
  key: string,
  path: readonly PropertyKey[],
  owner: unknown,
  document: unknown,
  kind: string,
  schema: z.ZodType,
): string {
  const unsupported = unsupportedField(kind, key);
  if (unsupported !== null) return unsupported;
  const known = acceptedKeys(schema, path, document);
  const free = known.filter((name) => typeof owner !== 'object' || owner === null || !Object.hasOwn(owner, name));
  const near = closestWord(key, free);
  return near === null
    ? `is not a field here${known.length === 0 ? '' : `; accepted: ${known.join(', ')}`}`
    : `is not a field here; did you mean ${near}?`;
}

/** The fields that the schema has at a path: follows objects, arrays, optionals and discriminated unions. */
function acceptedKeys(schema: z.ZodType, path: readonly PropertyKey[], document: unknown): string[] {
  let here = schema as unknown as SchemaNode | undefined;
  let value = document;
  for (const part of path) {
    here = resolve(here, value);
    here = typeof part === 'number' ? here?.def.element : here?.def.shape?.[String(part)];
    value = valueAt(value, [part]);
  }
  const shape = resolve(here, value)?.def.shape;
  return shape === undefined ? [] : Object.keys(shape);
}

interface SchemaNode {
  readonly def: {
    readonly type: string;
    readonly shape?: Readonly<Record<string, SchemaNode>>;
    readonly element?: SchemaNode;
    readonly innerType?: SchemaNode;
    readonly options?: readonly SchemaNode[];
    readonly values?: readonly unknown[];
  };
}

function resolve(schema: SchemaNode | undefined, value: unknown): SchemaNode | undefined {
  let here = schema;
  while (here?.def.innerType !== undefined) here = here.def.innerType;
  const options = here?.def.options;
  if (options === undefined) return here;
  const type = valueAt(value, ['type']);
  return options.find((option) => option.def.shape?.['type']?.def.values?.includes(type));
}

function valueAt(document: unknown, path: readonly PropertyKey[]): unknown {
  let value = document;
  for (const part of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined;
    value = (value as Record<PropertyKey, unknown>)[part];
  }
  return value;
}

const typeNames: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a map of fields',
  record: 'a map',
};

function aTypeName(expected: string): string {
  return typeNames[expected] ?? expected;
}

function quotesHint(found: unknown, expected: string): string {
  if ((expected === 'number' || expected === 'int') && typeof found === 'string' && /^-?\d+$/.test(found))
    return '; leave the quotes out';
  if (expected === 'string' && (typeof found === 'number' || typeof found === 'boolean')) return '; put it in quotes';
  return '';
}

function hint(found: unknown, accepted: readonly string[]): string {
  const near = typeof found === 'string' ? closestWord(found, accepted) : null;
  return near === null ? '' : `; did you mean ${near}?`;
}

/** A value as messages show it: short, quoted, on one line. */
function show(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (value === null) return 'nothing';
  if (typeof value === 'object') return 'a map';
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 77)}…"` : text;
}
