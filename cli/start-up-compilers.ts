/**
 * V8's optimizing compilers are held back while a sidecar starts, so that what is done once brings no 6 MB of their code into memory; see docs/adr/0003-sidecar-memory.md. Requests get them back: the counts are V8's
 * own from the moment that it serves.
 */

/** Invocations of a function until it is compiled for speed: V8's own, and while starting. */
const counts: ReadonlyArray<readonly [flag: string, usual: number, atStart: number]> = [
  ['--invocation-count-for-maglev', 400, 4_000],
  ['--invocation-count-for-maglev-osr', 100, 1_000],
  ['--invocation-count-for-osr', 500, 5_000],
  ['--invocation-count-for-turbofan', 3_000, 30_000],
];

/** For node's command line; bin/outrigger has them too. */
export const startUpCompilerFlags: readonly string[] = counts.map(([flag, , atStart]) => `${flag}=${atStart}`);

/** The start is over. */
export function releaseCompilers(): void {
  const { setFlagsFromString } = process.getBuiltinModule('node:v8');
  for (const [flag, usual] of counts) setFlagsFromString(`${flag}=${usual}`);
}
