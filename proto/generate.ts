/**
 * Generates `proto/generated/`: TypeScript types and descriptors of every message that we use, for the control plane and the CLI. The sidecar has a cut-down set of its own, made by
 * sidecar/xds/generate-api.ts. Part of set-up (scripts/with-setup.mjs).
 */
import { join } from 'node:path';
import { compileDescriptors } from './compile-descriptors.ts';
import { entryFiles, includePaths } from './proto-sources.ts';
import { writeGenerated } from './write-generated.ts';

writeGenerated(compileDescriptors(includePaths, entryFiles), join(import.meta.dirname, 'generated'));
