/** Reads what came from the API server as text, lists and maps without believing that it is: what is not as expected counts as left out. */

export type Fields = Readonly<Record<string, unknown>>;

const none: Fields = Object.freeze(Object.create(null) as Record<string, unknown>);

export function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : none;
}

/** Only an own field: names like `constructor` are labels too. */
export function field(value: unknown, key: string): unknown {
  const fields = fieldsOf(value);
  return Object.hasOwn(fields, key) ? fields[key] : undefined;
}

export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** A map of text to text. */
export function textsOf(value: unknown): Readonly<Record<string, string>> {
  const texts: Record<string, string> = Object.create(null);
  for (const [key, text] of Object.entries(fieldsOf(value))) if (typeof text === 'string') texts[key] = text;
  return texts;
}

export interface ObjectName {
  readonly namespace: string;
  readonly name: string;
  readonly key: string;
  readonly version: string;
}

/** Throws when it has no name. */
export function objectName(object: unknown): ObjectName {
  const metadata = field(object, 'metadata');
  const name = textOf(field(metadata, 'name'));
  const namespace = textOf(field(metadata, 'namespace'));
  if (name === '') throw new Error('an object has no metadata.name');
  return { namespace, name, key: `${namespace}/${name}`, version: textOf(field(metadata, 'resourceVersion')) };
}
