/**
 * Regular expressions that others wrote (configuration, admin queries): RE2 syntax, matched in linear time (re2js). The library is loaded when the first expression is compiled:
 * it costs a process 7 MB, and most sidecars have none.
 */
import { createRequire } from 'node:module';

interface Compiled {
  /** The whole value matches. */
  matches(value: string): boolean;
  matcher(value: string): { find(): boolean };
}

interface Re2 {
  readonly RE2JS: { compile(pattern: string): Compiled };
}

const require = createRequire(import.meta.url);

/** Throws an Error with a reason when the pattern is not one. */
export function compileLinearRegex(pattern: string): Compiled {
  return (require('re2js') as Re2).RE2JS.compile(pattern);
}
