/** Rules about what filters before this one found out: claims of a token, say. Values are as JSON has them. */
import type { MetadataMatchConfig, ValueMatchConfig } from '../../config/rbac-config.ts';
import type { RequestView } from './request-view.ts';
import { compileTextMatch } from './text-match.ts';

type ValueTest = (value: unknown) => boolean;

export function compileMetadataRule(config: MetadataMatchConfig): (view: RequestView) => boolean {
  const { filter, path, invert } = config;
  const matches = compileValueTest(config.value);
  return (view) => matches(metadataAt(view, filter, path)) !== invert;
}

/** Undefined: nothing is there. Own members only: no key reaches a prototype. */
export function metadataAt({ metadata }: RequestView, filter: string, path: readonly string[]): unknown {
  let value = metadata?.get(filter);
  for (const key of path) {
    if (typeof value !== 'object' || value === null || Array.isArray(value) || !Object.hasOwn(value, key))
      return undefined;
    value = (value as Readonly<Record<string, unknown>>)[key];
  }
  return value;
}

export function compileValueTest(config: ValueMatchConfig): ValueTest {
  switch (config.kind) {
    case 'null':
      return (value) => value === null;
    case 'boolean':
      return (value) => value === config.value;
    case 'number':
      return (value) => value === config.exact;
    case 'number-range':
      return (value) => typeof value === 'number' && value >= config.start && value < config.end;
    case 'string': {
      const matches = compileTextMatch(config.match, 'text');
      return (value) => typeof value === 'string' && matches(value);
    }
    case 'present':
      return (value) => config.present && value !== undefined;
    case 'list': {
      const one = compileValueTest(config.oneOf);
      return (value) => Array.isArray(value) && value.some(one);
    }
    case 'any-of': {
      const tests = config.values.map(compileValueTest);
      return (value) => tests.some((test) => test(value));
    }
  }
}
