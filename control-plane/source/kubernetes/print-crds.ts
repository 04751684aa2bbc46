/** Writes deploy/crds/*.yaml, our kinds as CustomResourceDefinitions: `node control-plane/source/kubernetes/print-crds.ts`. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { customResourceDefinitions } from './custom-resource-definitions.ts';

const folder = join(import.meta.dirname, '../../../deploy/crds');
mkdirSync(folder, { recursive: true });
for (const [file, text] of customResourceDefinitions()) writeFileSync(join(folder, file), text);
