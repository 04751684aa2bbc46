/**
 * Conditions in CEL: parsed here, so that a mistake is a fault of the file and never a refusal of some proxy. What is accepted is what Envoy and our sidecar both evaluate: no macros that
 * loop (`all`, `exists`, `map`, …: Envoy's RBAC has them off), no arithmetic, its functions, and the attributes of a request.
 */
import { parse } from '@bufbuild/cel';
import type { Expr } from '@bufbuild/cel-spec/cel/expr/syntax_pb.js';
import { celTypeFault } from './cel-type.ts';

const maxLength = 4_096;
/** Of nested operations: the proxies evaluate them one within the other. */
const maxDepth = 64;

const operators = ['_&&_', '_||_', '!_', '_?_:_', '_==_', '_!=_', '_<_', '_<=_', '_>_', '_>=_', '@in', '_[_]'];
const named = ['startsWith', 'endsWith', 'contains', 'matches', 'size', 'int'];
const functions: ReadonlySet<string> = new Set([...operators, ...named]);

/** Names that stand before a dot, and what may stand behind it. */
export type CelAttributes = Readonly<Record<string, ReadonlySet<string>>>;

const ofRequests = [
  ...['path', 'url_path', 'query', 'host', 'scheme', 'method', 'headers', 'referer', 'useragent', 'id', 'protocol'],
];
const ofConnections = [
  ...['mtls', 'requested_server_name', 'uri_san_peer_certificate', 'dns_san_peer_certificate'],
  ...['subject_peer_certificate', 'sha256_peer_certificate_digest', 'uri_san_local_certificate'],
];

/** Envoy's attributes of a request that comes, as far as our sidecar has them too: what one of them does not know it refuses, or never fulfils. */
export const requestAttributes = attributeSet({
  request: ofRequests,
  destination: ['address', 'port'],
  connection: ofConnections,
  metadata: ['filter_metadata'],
});

/** The same at its end. Whoever sends x-forwarded-for may choose source here too: a log lets nobody in. */
export const logAttributes = attributeSet({
  request: [...ofRequests, 'size', 'total_size'],
  response: [...['code', 'code_details', 'flags_short', 'grpc_status', 'headers', 'trailers', 'size', 'total_size']],
  source: ['address', 'port'],
  destination: ['address', 'port'],
  upstream: ['address', 'port', 'request_attempt_count'],
  connection: [...ofConnections, 'tls_version'],
  metadata: ['filter_metadata'],
  xds: ['cluster_name', 'route_name'],
});

function attributeSet(roots: Readonly<Record<string, readonly string[]>>): CelAttributes {
  const sets = Object.entries(roots).map(([root, fields]) => [root, new Set(fields)] as const);
  return Object.assign(Object.create(null) as object, Object.fromEntries(sets));
}

/** The parsed expression. Only for text in which `celFault` found nothing. */
export function parseCel(text: string): Expr {
  return parse(text).expr;
}

/** Why it is not accepted, or null. */
export function celFault(text: string, attributes: CelAttributes): string | null {
  if (text.trim() === '') return 'is empty; a condition in CEL is expected';
  if (text.length > maxLength) return `is longer than ${maxLength} characters`;
  let expression: Expr;
  try {
    expression = parse(text).expr;
  } catch (error) {
    if (error instanceof RangeError) return `is nested more than ${maxDepth} deep`;
    return `is not CEL: ${(error as Error).message.split('\n', 1)[0]!.replace(/^<input>:/, '')}`;
  }
  return faultOf(expression, attributes, 0) ?? celTypeFault(expression);
}

function faultOf({ exprKind }: Expr, attributes: CelAttributes, depth: number): string | null {
  if (depth > maxDepth) return `is nested more than ${maxDepth} deep`;
  const first = (list: ReadonlyArray<Expr | undefined>): string | null => {
    for (const each of list) {
      const fault = each === undefined ? null : faultOf(each, attributes, depth + 1);
      if (fault !== null) return fault;
    }
    return null;
  };
  switch (exprKind.case) {
    case 'constExpr':
      return null;
    case 'identExpr': {
      const { name } = exprKind.value;
      return Object.hasOwn(attributes, name) ? null : unknownName(name, attributes);
    }
    case 'selectExpr': {
      const { operand, field } = exprKind.value;
      return unknownField(operand, field, attributes) ?? first([operand]);
    }
    case 'callExpr': {
      const { function: name, target, args } = exprKind.value;
      if (!functions.has(name)) return `calls ${name}, which is not accepted; accepted: ${named.join(', ')}`;
      const [operand, index] = args;
      const key = index?.exprKind.case === 'constExpr' ? index.exprKind.value.constantKind : undefined;
      const field = name === '_[_]' && key?.case === 'stringValue' ? key.value : null;
      return (field === null ? null : unknownField(operand, field, attributes)) ?? first([target, ...args]);
    }
    case 'listExpr':
      return first(exprKind.value.elements);
    case 'structExpr':
      return 'makes a map or a message, which is not accepted';
    case 'comprehensionExpr':
      return 'loops over a list (all, exists, exists_one, map, filter), which proxies do not evaluate; use in, or write a condition for each';
    default:
      return 'is not an expression';
  }
}

/** Envoy's source.address and source.port are what x-forwarded-for says where that is trusted: whoever sends the header chooses them. */
const ofSource =
  'names source, which is not accepted: x-forwarded-for may decide it; use ipBlocks, or the key source.ip';

/** Nanoseconds to our sidecar, and a type of its own to Envoy: no comparison holds in both. */
const ofDuration = 'names request.duration, which proxies compare each in its own way; use minDuration';

/** `request.path`, `request['path']`. */
function unknownField(operand: Expr | undefined, field: string, attributes: CelAttributes): string | null {
  const root = operand?.exprKind.case === 'identExpr' ? operand.exprKind.value.name : '';
  if (root === 'source' && attributes[root] === undefined) return ofSource.replace('source,', `source.${field},`);
  if (attributes === logAttributes && root === 'request' && field === 'duration') return ofDuration;
  if (!Object.hasOwn(attributes, root) || attributes[root]!.has(field)) return null;
  return `names ${root}.${field}, which is not known; accepted: ${[...attributes[root]!].map((name) => `${root}.${name}`).join(', ')}`;
}

function unknownName(name: string, attributes: CelAttributes): string {
  if (name === 'source') return ofSource;
  return `names ${name}, which is not known; accepted: ${Object.keys(attributes).join(', ')}`;
}
