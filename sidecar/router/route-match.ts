/** What a route match asks of a request, compiled: of its path, and of the rest of its head. Routes use it, and gates whose rules are for some requests only. */
import type { RequestHead } from '../codec/message-head.ts';
import type { RouteMatchConfig } from '../config/route-config.ts';
import { compileHeaderTest, compileQueryTest, type HeadTest, isGrpcHead } from './header-test.ts';
import { compileRegex, type StringMatcher } from './string-matcher.ts';

/** The whole match as one test, where nobody looks paths up. */
export function compileRouteMatch(config: RouteMatchConfig): HeadTest {
  const pathTest = compilePath(config);
  const tests = compileHeadTests(config);
  return (head: RequestHead) => {
    const query = head.path.indexOf('?');
    const path = query < 0 ? head.path : head.path.slice(0, query);
    return path !== '' && pathTest(path) && tests.every((test) => test(head));
  };
}

/** All of these must hold beside the path. */
export function compileHeadTests(config: RouteMatchConfig): readonly HeadTest[] {
  return [
    ...config.headers.map(compileHeaderTest),
    ...(config.queryParameters.length > 0 ? [compileQueryTest(config.queryParameters)] : []),
    ...(config.grpcOnly ? [isGrpcHead] : []),
  ];
}

/** For a path without its query. */
export function compilePath({ path, caseSensitive }: RouteMatchConfig): StringMatcher {
  // `case_sensitive` is not for regular expressions (Envoy).
  if (path.kind === 'regex') return compileRegex(path.value);
  const wanted = caseSensitive ? path.value : path.value.toLowerCase();
  const { length } = wanted;
  switch (path.kind) {
    case 'exact':
      return caseSensitive
        ? (value) => value === wanted
        : (value) => value.length === length && value.toLowerCase() === wanted;
    case 'prefix':
      if (length === 0 || wanted === '/') return anyPath;
      return caseSensitive
        ? (value) => value.startsWith(wanted)
        : (value) => value.slice(0, length).toLowerCase() === wanted;
    case 'separated-prefix':
      return (value) => {
        if (value.length > length && value.charCodeAt(length) !== 47) return false;
        return caseSensitive ? value.startsWith(wanted) : value.slice(0, length).toLowerCase() === wanted;
      };
  }
}

/** Also `*` of OPTIONS, which only such a route can take. */
function anyPath(): boolean {
  return true;
}
