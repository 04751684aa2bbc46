/** CEL conditions as the protobuf form that RBAC takes. The parser's own messages (`cel.expr`) and Envoy's (`google.api.expr.v1alpha1`) are the same on the wire. */

import { ExprSchema as ParsedExprSchema } from '@bufbuild/cel-spec/cel/expr/syntax_pb.js';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { type Expr, ExprSchema } from '../../proto/generated/google/api/expr/v1alpha1/syntax_pb.js';
import { parseCel } from '../config-kind/cel-expression.ts';

/** All of the expressions together. */
export function encodeCel(expressions: readonly string[]): Expr {
  return expressions.map(encodeOne).reduce((both, each) => and(both, each));
}

function encodeOne(text: string): Expr {
  return fromBinary(ExprSchema, toBinary(ParsedExprSchema, parseCel(text)));
}

function and(a: Expr, b: Expr): Expr {
  return create(ExprSchema, { exprKind: { case: 'callExpr', value: { function: '_&&_', args: [a, b] } } });
}
