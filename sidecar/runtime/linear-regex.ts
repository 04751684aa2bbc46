/**
 * Regular expressions that others wrote (configuration, admin queries): RE2 syntax, matched in linear time (re2js). The library is loaded when the first expression is compiled:
 * it costs a process 7 MB, and most sidecars have none.
 */
import { createRequire } from 'node:module';
import { regexSizeFault } from '../../proto/regex-size.ts';

interface Compiled {
  /** The whole value matches. */
  matches(value: string): boolean;
  matcher(value: string): { find(): boolean };
}

interface Re2 {
  readonly RE2JS: { compile(pattern: string): Compiled };
}

const require = createRequire(import.meta.url);

/** Throws an Error with a reason when the pattern is not one, or is too large: compiling takes time and memory that whoever wrote it must not have. */
export function compileLinearRegex(pattern: string): Compiled {
  const fault = regexSizeFault(pattern);
  if (fault !== null) throw new Error(`it ${fault}`);
  return (require('re2js') as Re2).RE2JS.compile(pattern);
}
