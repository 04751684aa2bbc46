/** Writes docs/schema/*.json, the JSON Schemas of the configuration kinds, from the zod schemas: `node control-plane/config-kind/print-schemas.ts`. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { jsonSchemas } from './json-schema.ts';

const folder = join(import.meta.dirname, '../../docs/schema');
mkdirSync(folder, { recursive: true });
for (const [file, text] of jsonSchemas()) writeFileSync(join(folder, file), text);
