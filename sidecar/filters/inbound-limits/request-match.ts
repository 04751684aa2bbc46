/** Which requests a limit or a priority is about, compiled. Looked at for every request, so what most rules have, exact paths and prefixes, makes nothing. */
import type { RequestHead } from '../../codec/message-head.ts';
import type { RequestMatchConfig } from '../../config/inbound-limits-config.ts';
import type { StringMatchConfig } from '../../config/route-config.ts';
import { compileHeaderTest } from '../../router/header-test.ts';
import { compileStringMatcher, type StringMatcher } from '../../router/string-matcher.ts';

/** `identity`: the caller's SPIFFE ID; '': it has none. */
export type RequestTest = (head: RequestHead, identity: string) => boolean;

export function compileRequestMatch({ paths, methods, headers, callers }: RequestMatchConfig): RequestTest {
  const pathTests = paths.map(compilePath);
  const headerTests = headers.map(compileHeaderTest);
  const callerTests = callers.map(compileStringMatcher);
  return (head, identity) =>
    (methods.length === 0 || methods.includes(head.method)) &&
    (callerTests.length === 0 || (identity !== '' && oneMatches(callerTests, identity))) &&
    (pathTests.length === 0 || oneMatches(pathTests, head.path)) &&
    headerTests.every((test) => test(head));
}

/** One of them, for a caller's SPIFFE ID. */
export function compileCallers(callers: readonly StringMatchConfig[]): StringMatcher {
  const tests = callers.map(compileStringMatcher);
  return (identity) => identity !== '' && oneMatches(tests, identity);
}

/** For a path with its query, which does not count. */
function compilePath(config: StringMatchConfig): StringMatcher {
  if (config.kind !== 'regex' && !config.ignoreCase) {
    const { value, kind } = config;
    const { length } = value;
    if (kind === 'exact')
      return (path) => path.startsWith(value) && (path.length === length || path.charCodeAt(length) === 63);
    // What has a ? in it is in no path.
    if (kind === 'prefix' && !value.includes('?')) return (path) => path.startsWith(value);
  }
  const test = compileStringMatcher(config);
  return (path) => {
    const query = path.indexOf('?');
    return test(query < 0 ? path : path.slice(0, query));
  };
}

function oneMatches(tests: readonly StringMatcher[], value: string): boolean {
  for (const test of tests) if (test(value)) return true;
  return false;
}
