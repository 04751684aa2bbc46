/**
 * What an expression in CEL comes to, as far as that can be told: proxies take an error, and whatever is not true, for no match, so that a DENY by such a condition would never deny. For expressions
 * that cel-expression.ts has found to be of the accepted kind.
 */
import type { Expr } from '@bufbuild/cel-spec/cel/expr/syntax_pb.js';
import { regexFault } from './value-match.ts';

/** `any`: not known before there is a request. */
type CelType = 'bool' | 'text' | 'number' | 'list' | 'map' | 'null' | 'any';

class TypeFault extends Error {}

/** Why the expression can never be true, or null. */
export function celTypeFault(expression: Expr): string | null {
  try {
    const type = typeOf(expression);
    return type === 'bool' || type === 'any'
      ? null
      : `comes to ${words[type]}, not to true or false: it would never match`;
  } catch (error) {
    if (error instanceof TypeFault) return error.message;
    throw error;
  }
}

const words: Readonly<Record<CelType, string>> = {
  bool: 'true or false',
  text: 'text',
  number: 'a number',
  list: 'a list',
  map: 'a map',
  null: 'null',
  any: 'anything',
};

const attributeTypes: ReadonlyMap<string, CelType> = new Map([
  ['request.headers', 'map'],
  ['request.size', 'number'],
  ['request.total_size', 'number'],
  ['response.code', 'number'],
  ['response.grpc_status', 'number'],
  ['response.headers', 'map'],
  ['response.trailers', 'map'],
  ['response.size', 'number'],
  ['response.total_size', 'number'],
  ['source.port', 'number'],
  ['destination.port', 'number'],
  ['upstream.port', 'number'],
  ['upstream.request_attempt_count', 'number'],
  ['connection.mtls', 'bool'],
]);

const headerMaps: ReadonlySet<string> = new Set(['request.headers', 'response.headers', 'response.trailers']);

function typeOf({ exprKind }: Expr): CelType {
  switch (exprKind.case) {
    case 'constExpr':
      return constantType(exprKind.value.constantKind.case);
    case 'identExpr':
      return 'map';
    case 'selectExpr': {
      const { operand, field, testOnly } = exprKind.value;
      const of = fieldType(operand!, field);
      return testOnly ? 'bool' : of;
    }
    case 'callExpr': {
      const { function: name, target, args } = exprKind.value;
      return callType(name, target === undefined ? args : [target, ...args]);
    }
    case 'listExpr':
      for (const each of exprKind.value.elements) typeOf(each);
      return 'list';
    default:
      return 'any';
  }
}

function constantType(kind: string | undefined): CelType {
  if (kind === 'boolValue') return 'bool';
  if (kind === 'stringValue') return 'text';
  if (kind === 'int64Value' || kind === 'uint64Value' || kind === 'doubleValue') return 'number';
  return kind === 'nullValue' ? 'null' : 'any';
}

/** Of `request.path`, `request.headers.x`, `request.headers['x']`. */
function fieldType(operand: Expr, field: string | null): CelType {
  const of = typeOf(operand);
  if (of !== 'map' && of !== 'any') throw new TypeFault(`looks for a field in ${words[of]}, which has none`);
  const path = pathOf(operand);
  if (headerMaps.has(path)) return 'text';
  if (path === '' || path.includes('.') || path === 'metadata' || field === null) return 'any';
  return attributeTypes.get(`${path}.${field}`) ?? 'text';
}

/** `request.headers`, however it is written; '' : something else. */
function pathOf({ exprKind }: Expr): string {
  if (exprKind.case === 'identExpr') return exprKind.value.name;
  if (exprKind.case === 'selectExpr') return joined(exprKind.value.operand!, exprKind.value.field);
  if (exprKind.case !== 'callExpr' || exprKind.value.function !== '_[_]') return '';
  return joined(exprKind.value.args[0]!, textOf(exprKind.value.args[1]));
}

function joined(operand: Expr, field: string | null): string {
  const path = pathOf(operand);
  return path === '' || field === null ? '' : `${path}.${field}`;
}

function textOf(expression: Expr | undefined): string | null {
  if (expression?.exprKind.case !== 'constExpr') return null;
  const { constantKind } = expression.exprKind.value;
  return constantKind.case === 'stringValue' ? constantKind.value : null;
}

function callType(name: string, args: readonly Expr[]): CelType {
  if (name === '_[_]') {
    typeOf(args[1]!);
    return typeOf(args[0]!) === 'list' ? 'any' : fieldType(args[0]!, textOf(args[1]));
  }
  const types = args.map(typeOf);
  const [first = 'any', second = 'any', third = 'any'] = types;
  const wants = (accepted: readonly CelType[], ...given: readonly CelType[]): void => {
    const other = given.find((type) => type !== 'any' && !accepted.includes(type));
    if (other !== undefined)
      throw new TypeFault(
        `gives ${words[other]} to ${operatorText(name)}, which takes ${accepted.map((type) => words[type]).join(' or ')}: it would never match`,
      );
  };
  const alike = (a: CelType, b: CelType): void => {
    if (a !== b && a !== 'any' && b !== 'any')
      throw new TypeFault(`compares ${words[a]} with ${words[b]}: it would never match, or always`);
  };
  switch (name) {
    case '_&&_':
    case '_||_':
    case '!_':
      wants(['bool'], ...types);
      return 'bool';
    case '_?_:_':
      wants(['bool'], first);
      return second === third ? second : 'any';
    case '_==_':
    case '_!=_':
      alike(first, second);
      return 'bool';
    case '_<_':
    case '_<=_':
    case '_>_':
    case '_>=_':
      wants(['bool', 'text', 'number'], first, second);
      alike(first, second);
      return 'bool';
    case '@in':
      wants(['list', 'map'], second);
      return 'bool';
    case 'startsWith':
    case 'endsWith':
    case 'contains':
    case 'matches':
      if (args.length !== 2) throw new TypeFault(`calls ${name} otherwise than as text.${name}(text)`);
      wants(['text'], first, second);
      if (name === 'matches') checkPattern(args[1]!);
      return 'bool';
    case 'size':
      if (args.length !== 1) throw new TypeFault('calls size otherwise than as size(value)');
      wants(['text', 'list', 'map'], first);
      return 'number';
    case 'int':
      if (args.length !== 1) throw new TypeFault('calls int otherwise than as int(value)');
      wants(['text', 'number'], first);
      return 'number';
    default:
      return 'any';
  }
}

/** What comes with a request is no pattern: its size could not be bounded, nor be told good. */
function checkPattern(expression: Expr): void {
  const pattern = textOf(expression);
  if (pattern === null) throw new TypeFault('calls matches with something other than text in quotes');
  const fault = regexFault(pattern);
  if (fault !== null) throw new TypeFault(`calls matches with ${JSON.stringify(pattern)}, which ${fault}`);
}

function operatorText(name: string): string {
  return name.replaceAll('_', '').replace('@', '');
}
