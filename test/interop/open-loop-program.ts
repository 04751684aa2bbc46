/** The open loop as a program, for a network namespace: its one argument is the load as JSON; it writes when it began, by the wall clock, and what was sent to the file of the second, as JSON. */
import { writeFileSync } from 'node:fs';
import { type OpenLoop, openLoop, type Sent } from './open-loop.ts';

export interface Loaded {
  readonly beganMs: number;
  readonly sent: readonly Sent[];
}

const [load, file] = process.argv.slice(2) as [string, string];
console.log('begins');
const loaded: Loaded = { beganMs: Date.now(), sent: await openLoop(JSON.parse(load) as OpenLoop) };
writeFileSync(file, JSON.stringify(loaded));
