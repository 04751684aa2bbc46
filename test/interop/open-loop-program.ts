/** The open loop as a program, for a network namespace: its one argument is the load as JSON; it writes what was sent to the file of the second, as JSON. */
import { writeFileSync } from 'node:fs';
import { type OpenLoop, openLoop } from './open-loop.ts';

const [load, file] = process.argv.slice(2) as [string, string];
writeFileSync(file, JSON.stringify(await openLoop(JSON.parse(load) as OpenLoop)));
