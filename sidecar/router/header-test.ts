/** Compiled header and query matchers of a route. A matcher sees the values of one name as one list (RFC 9110 5.3), as Envoy's do. */
import type { HeaderFields } from '../codec/header-fields.ts';
import type { RequestHead, ResponseHead } from '../codec/message-head.ts';
import type { HeaderMatchConfig, QueryMatchConfig } from '../config/route-config.ts';
import { isGrpcContentType } from './grpc-content-type.ts';
import { compileStringMatcher, type StringMatcher } from './string-matcher.ts';

export type HeadTest = (head: RequestHead) => boolean;
export type ResponseTest = (head: ResponseHead) => boolean;

export function compileHeaderTest(config: HeaderMatchConfig): HeadTest {
  return compileTest(config, requestValue);
}

/** The same of a response; `:status` reaches the status line. */
export function compileResponseTest(config: HeaderMatchConfig): ResponseTest {
  return compileTest(config, responseValue);
}

function compileTest<Head>(
  { name, test, invert, treatMissingAsEmpty }: HeaderMatchConfig,
  valueOf: (head: Head, name: string) => string | undefined,
): (head: Head) => boolean {
  if (test.kind === 'present') return (head) => ((valueOf(head, name) !== undefined) === test.present) !== invert;
  const matches: StringMatcher =
    test.kind === 'string'
      ? compileStringMatcher(test.match)
      : (value) => /^[+-]?\d+$/.test(value) && Number(value) >= test.start && Number(value) < test.end;
  return (head) => {
    const value = valueOf(head, name) ?? (treatMissingAsEmpty ? '' : undefined);
    // A missing header matches nothing, inverted or not (Envoy).
    if (value === undefined) return false;
    return matches(value) !== invert;
  };
}

/** The value of a header, or of a pseudo-header. */
function requestValue(head: RequestHead, name: string): string | undefined {
  if (name.charCodeAt(0) === 58) {
    switch (name) {
      case ':method':
        return head.method;
      case ':path':
        return head.path;
      case ':authority':
        return head.authority;
      case ':scheme':
        return head.scheme;
      default:
        return undefined;
    }
  }
  if (name === 'host') return head.authority;
  return fieldValue(head.fields, name);
}

function responseValue(head: ResponseHead, name: string): string | undefined {
  return name === ':status' ? String(head.status) : fieldValue(head.fields, name);
}

function fieldValue({ names, values }: HeaderFields, name: string): string | undefined {
  let value: string | undefined;
  for (let i = 0; i < names.length; i++) {
    if (names[i]!.lower === name) value = value === undefined ? values[i]! : `${value},${values[i]!}`;
  }
  return value;
}

/** Every matcher must find its parameter; of one that stands there twice, the first counts. */
export function compileQueryTest(configs: readonly QueryMatchConfig[]): HeadTest {
  const tests = configs.map(({ name, test }) => ({
    name,
    matches: test.kind === 'present' ? () => true : compileStringMatcher(test.match),
  }));
  return (head) => {
    const at = head.path.indexOf('?');
    // A plus sign is itself: these are not form fields.
    const parameters = new URLSearchParams(at < 0 ? '' : head.path.slice(at + 1).replaceAll('+', '%2B'));
    return tests.every(({ name, matches }) => {
      const value = parameters.get(name);
      return value !== null && matches(value);
    });
  };
}

export function isGrpcHead(head: RequestHead): boolean {
  const type = head.fields.get('content-type');
  return type !== undefined && isGrpcContentType(type);
}
