/**
 * A JSON Schema of ours as the structural schema that a CustomResourceDefinition takes: every field has one type, and what Kubernetes' validation has no word for is left out, as the control plane checks everything again.
 * https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema
 */

export type Schema = Readonly<Record<string, unknown>>;

/** Taken over as they are. */
const keptWords = new Set([
  'description',
  'pattern',
  'minLength',
  'maxLength',
  'minItems',
  'maxItems',
  'minimum',
  'maximum',
  'format',
  'enum',
  'required',
]);
/** Kubernetes knows them; others it takes and does not check. */
const formats = new Set(['date-time', 'uri', 'int32', 'int64']);

/** Throws for what has no structural form: whoever writes such a field hears of it when the CRDs are printed. */
export function structuralSchema(schema: Schema, path = 'spec'): Schema {
  for (const word of ['anyOf', 'allOf', 'not', '$ref', 'prefixItems', 'patternProperties'])
    if (schema[word] !== undefined) throw new Error(`${path}: ${word} has no structural form`);
  const branches = schema['oneOf'] as readonly Schema[] | undefined;
  if (branches !== undefined) return structuralSchema(unionOf(branches, schema), path);
  const type = schema['type'];
  // Anything.
  if (type === undefined && schema['const'] === undefined && schema['enum'] === undefined)
    return { ...described(schema), 'x-kubernetes-preserve-unknown-fields': true };
  if (Array.isArray(type)) {
    const [only, ...rest] = type.filter((each) => each !== 'null');
    if (rest.length > 0 || only === undefined) throw new Error(`${path}: has several types`);
    return { ...structuralSchema({ ...schema, type: only }, path), nullable: true };
  }
  const made: Record<string, unknown> = { type };
  for (const [word, value] of Object.entries(schema)) if (keptWords.has(word)) made[word] = value;
  if (typeof made['pattern'] === 'string') made['pattern'] = goPattern(made['pattern']);
  if (schema['const'] !== undefined) made['enum'] = [schema['const']];
  if (made['type'] === undefined) made['type'] = typeof (made['enum'] as readonly unknown[])[0];
  if (made['format'] !== undefined) {
    // Its pattern says the same at length.
    if (formats.has(String(made['format']))) delete made['pattern'];
    else delete made['format'];
  }
  // The bounds of whole numbers in JavaScript.
  if (made['minimum'] === Number.MIN_SAFE_INTEGER) delete made['minimum'];
  if (made['maximum'] === Number.MAX_SAFE_INTEGER) delete made['maximum'];
  for (const [word, bound, exclusive] of [
    ['exclusiveMinimum', 'minimum', 'exclusiveMinimum'],
    ['exclusiveMaximum', 'maximum', 'exclusiveMaximum'],
  ] as const) {
    if (schema[word] === undefined) continue;
    made[bound] = schema[word];
    made[exclusive] = true;
  }
  const items = schema['items'] as Schema | undefined;
  if (items !== undefined) made['items'] = structuralSchema(items, `${path}[]`);
  const properties = schema['properties'] as Readonly<Record<string, Schema>> | undefined;
  const more = schema['additionalProperties'];
  if (properties !== undefined)
    made['properties'] = Object.fromEntries(
      Object.entries(properties).map(([name, each]) => [name, structuralSchema(each, `${path}.${name}`)]),
    );
  else if (typeof more === 'object' && more !== null)
    made['additionalProperties'] = structuralSchema(more as Schema, `${path}.*`);
  return made;
}

/** The API server's regular expressions are Go's (RE2), which writes code points in another way. */
function goPattern(pattern: string): string {
  return pattern.replace(/\\u([0-9a-fA-F]{4})/g, '\\x{$1}');
}

function described(schema: Schema): Schema {
  return schema['description'] === undefined ? {} : { description: schema['description'] };
}

/** Of objects that one field tells apart: all of their fields, and those required that all require. */
function unionOf(branches: readonly Schema[], schema: Schema): Schema {
  const properties = new Map<string, Schema>();
  for (const branch of branches) {
    for (const [name, each] of Object.entries((branch['properties'] ?? {}) as Readonly<Record<string, Schema>>)) {
      const before = properties.get(name);
      const both =
        before?.['const'] === undefined && before?.['enum'] === undefined
          ? undefined
          : [...valuesOf(before), ...valuesOf(each)];
      properties.set(name, both === undefined ? (before ?? each) : { type: 'string', enum: [...new Set(both)] });
    }
  }
  const required = branches.map((branch) => new Set((branch['required'] ?? []) as readonly string[]));
  const inAll = [...(required[0] ?? [])].filter((name) => required.every((names) => names.has(name)));
  return { ...schema, oneOf: undefined, type: 'object', properties: Object.fromEntries(properties), required: inAll };
}

function valuesOf(schema: Schema): readonly unknown[] {
  return schema['const'] === undefined ? ((schema['enum'] ?? []) as readonly unknown[]) : [schema['const']];
}
