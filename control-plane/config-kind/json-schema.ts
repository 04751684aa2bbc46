/** JSON Schemas of the kinds as text, by file name under docs/schema/. Rules between fields are not in them; validation has them too. */
import { z } from 'zod';
import { kinds } from './kind.ts';

export function jsonSchemas(): Map<string, string> {
  const files = new Map<string, string>();
  for (const { apiVersion, kind, schemaFile, schema } of kinds) {
    const generated = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
    files.set(
      schemaFile,
      `${JSON.stringify({ $schema: generated.$schema, title: `${kind} (${apiVersion})`, ...generated }, null, 2)}\n`,
    );
  }
  return files;
}
