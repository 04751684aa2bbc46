/** `node_matchers` of a CSDS request: which proxies somebody asks about. One of them is enough; without any, all are meant. */
import { RE2JS } from 're2js';
import type { NodeMatcher } from '../../proto/generated/envoy/type/matcher/v3/node_pb.js';
import type { StringMatcher } from '../../proto/generated/envoy/type/matcher/v3/string_pb.js';

type Test = (nodeId: string) => boolean;

/** Whether a node of this id is meant; or every fault, by field path. */
export function nodeTest(
  matchers: readonly NodeMatcher[],
): { readonly matches: Test } | { readonly faults: readonly string[] } {
  const faults: string[] = [];
  const tests = matchers.map(({ nodeId, nodeMetadatas }, at): Test => {
    const path = `node_matchers[${at}]`;
    if (nodeMetadatas.length > 0) faults.push(`${path}.node_metadatas: is not supported; match by node_id`);
    return nodeId === undefined ? () => true : textTest(nodeId, `${path}.node_id`, faults);
  });
  if (faults.length > 0) return { faults };
  return { matches: (id) => tests.length === 0 || tests.some((test) => test(id)) };
}

function textTest({ matchPattern, ignoreCase }: StringMatcher, path: string, faults: string[]): Test {
  const fold = (text: string): string => (ignoreCase ? text.toLowerCase() : text);
  switch (matchPattern.case) {
    case 'exact':
    case 'prefix':
    case 'suffix':
    case 'contains': {
      const wanted = fold(matchPattern.value);
      if (wanted === '' && matchPattern.case !== 'exact') faults.push(`${path}.${matchPattern.case}: is empty`);
      const test = textTests[matchPattern.case];
      return (id) => test(fold(id), wanted);
    }
    case 'safeRegex':
      try {
        const compiled = RE2JS.compile(matchPattern.value.regex);
        return (id) => compiled.matches(id);
      } catch (error) {
        faults.push(`${path}.safe_regex.regex: is not RE2: ${(error as Error).message}`);
        return () => false;
      }
    case undefined:
      faults.push(`${path}: has no pattern; accepted: exact, prefix, suffix, contains, safe_regex`);
      return () => false;
    default:
      faults.push(
        `${path}.${matchPattern.case}: is not supported; accepted: exact, prefix, suffix, contains, safe_regex`,
      );
      return () => false;
  }
}

const textTests = {
  exact: (id: string, wanted: string): boolean => id === wanted,
  prefix: (id: string, wanted: string): boolean => id.startsWith(wanted),
  suffix: (id: string, wanted: string): boolean => id.endsWith(wanted),
  contains: (id: string, wanted: string): boolean => id.includes(wanted),
} as const;
