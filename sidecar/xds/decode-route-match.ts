/** RouteMatch → RouteMatchConfig: of routes, and of the rules of filters that are for some requests only. */
import type { HeaderMatchConfig, QueryMatchConfig, RouteMatchConfig } from '../config/route-config.ts';
import type {
  HeaderMatcher,
  QueryParameterMatcher,
  RouteMatch,
} from './api/envoy/config/route/v3/route_components_pb.js';
import { regexText, stringMatch } from './decode-value.ts';
import { at, type Faults } from './fault.ts';

export function routeMatch(message: RouteMatch | undefined, path: string, faults: Faults): RouteMatchConfig {
  if (message === undefined) {
    faults.add(path, 'is missing');
    return {
      path: { kind: 'prefix', value: '/' },
      caseSensitive: true,
      headers: [],
      queryParameters: [],
      grpcOnly: false,
    };
  }
  return {
    path: pathMatch(message, path, faults),
    caseSensitive: message.caseSensitive ?? true,
    headers: message.headers.map((header, i) => headerMatch(header, at(at(path, 'headers'), i), faults)),
    queryParameters: message.queryParameters.map((query, i) =>
      queryMatch(query, at(at(path, 'query_parameters'), i), faults),
    ),
    grpcOnly: message.grpc !== undefined,
  };
}

function pathMatch(message: RouteMatch, path: string, faults: Faults): RouteMatchConfig['path'] {
  const { pathSpecifier } = message;
  switch (pathSpecifier.case) {
    case 'prefix':
      return { kind: 'prefix', value: pathSpecifier.value };
    case 'path':
      return { kind: 'exact', value: pathSpecifier.value };
    case 'pathSeparatedPrefix':
      if (!/^\/[^?#]*[^?#/]$/.test(pathSpecifier.value))
        faults.add(
          at(path, 'path_separated_prefix'),
          `${JSON.stringify(pathSpecifier.value)} must begin with / and not end with it, without ? or #`,
        );
      return { kind: 'separated-prefix', value: pathSpecifier.value };
    case 'safeRegex':
      return { kind: 'regex', value: regexText(pathSpecifier.value.regex, at(path, 'safe_regex.regex'), faults) };
    default:
      if (pathSpecifier.case === undefined) faults.add(path, 'needs prefix, path, path_separated_prefix or safe_regex');
      return { kind: 'prefix', value: '/' };
  }
}

export function headerMatch(message: HeaderMatcher, path: string, faults: Faults): HeaderMatchConfig {
  if (message.name === '') faults.add(at(path, 'name'), 'must not be empty');
  const base = {
    name: message.name.toLowerCase(),
    invert: message.invertMatch,
    treatMissingAsEmpty: message.treatMissingHeaderAsEmpty,
  };
  const specifier = message.headerMatchSpecifier;
  switch (specifier.case) {
    case 'exactMatch':
      return { ...base, test: { kind: 'string', match: { kind: 'exact', value: specifier.value, ignoreCase: false } } };
    case 'prefixMatch':
      nonEmpty(specifier.value, at(path, 'prefix_match'), faults);
      return {
        ...base,
        test: { kind: 'string', match: { kind: 'prefix', value: specifier.value, ignoreCase: false } },
      };
    case 'suffixMatch':
      nonEmpty(specifier.value, at(path, 'suffix_match'), faults);
      return {
        ...base,
        test: { kind: 'string', match: { kind: 'suffix', value: specifier.value, ignoreCase: false } },
      };
    case 'containsMatch':
      nonEmpty(specifier.value, at(path, 'contains_match'), faults);
      return {
        ...base,
        test: { kind: 'string', match: { kind: 'contains', value: specifier.value, ignoreCase: false } },
      };
    case 'safeRegexMatch':
      return {
        ...base,
        test: {
          kind: 'string',
          match: { kind: 'regex', value: regexText(specifier.value.regex, at(path, 'safe_regex_match.regex'), faults) },
        },
      };
    case 'stringMatch':
      return {
        ...base,
        test: { kind: 'string', match: stringMatch(specifier.value, at(path, 'string_match'), faults) },
      };
    case 'rangeMatch':
      return {
        ...base,
        test: { kind: 'range', start: Number(specifier.value.start), end: Number(specifier.value.end) },
      };
    case 'presentMatch':
      return { ...base, test: { kind: 'present', present: specifier.value } };
    default:
      // No specifier: the header must be there (Envoy).
      return { ...base, test: { kind: 'present', present: true } };
  }
}

function nonEmpty(value: string, path: string, faults: Faults): void {
  if (value === '') faults.add(path, 'must not be empty');
}

export function queryMatch(message: QueryParameterMatcher, path: string, faults: Faults): QueryMatchConfig {
  if (message.name === '') faults.add(at(path, 'name'), 'must not be empty');
  const specifier = message.queryParameterMatchSpecifier;
  if (specifier.case === 'stringMatch')
    return {
      name: message.name,
      test: { kind: 'string', match: stringMatch(specifier.value, at(path, 'string_match'), faults) },
    };
  // Envoy looks for the parameter whatever the value says; it is not the opposite that `false` would get.
  if (specifier.case === 'presentMatch' && !specifier.value)
    faults.add(at(path, 'present_match'), 'only true is supported; see docs/xds-support.md');
  return { name: message.name, test: { kind: 'present' } };
}
