#!/outrigger/node
/** What a container of our image runs: the sidecar's bundle for `sidecar`, else the program with all commands. On its own it does nothing; V8's flags for the sidecar are the image's (deploy/image/Containerfile), as bin/outrigger's are elsewhere. */
import { fileURLToPath } from 'node:url';

const program = process.argv[2] === 'sidecar' ? 'sidecar.js' : 'outrigger.js';
await import(fileURLToPath(new URL(program, import.meta.url)));
