/**
 * Conditions of policies: parsed CEL expressions, planned once. The library is loaded with the first of them: it costs a process 21 MB and 170 ms, and most sidecars have none. What an expression
 * asks for that we do not have is refused when the configuration arrives: at a request it would be an error, which counts as no match (Envoy), and a DENY would never deny.
 */
import { createRequire } from 'node:module';
import type * as Cel from '@bufbuild/cel';
import type * as Syntax from '@bufbuild/cel-spec/cel/expr/syntax_pb.js';
import type * as Protobuf from '@bufbuild/protobuf';
import type { RbacConditionConfig } from '../../config/rbac-config.ts';
import { compileLinearRegex } from '../../runtime/linear-regex.ts';
import { attributesOf, isAttribute } from './condition-attributes.ts';
import type { RequestView } from './request-view.ts';

type Expr = Syntax.Expr;

interface Library {
  readonly cel: typeof Cel;
  readonly spec: typeof Syntax;
  readonly protobuf: typeof Protobuf;
}

const require = createRequire(import.meta.url);

function library(): Library {
  return {
    cel: require('@bufbuild/cel') as Library['cel'],
    spec: require('@bufbuild/cel-spec/cel/expr/syntax_pb.js') as Library['spec'],
    protobuf: require('@bufbuild/protobuf') as Library['protobuf'],
  };
}

/** Throws an Error with a reason when the expression cannot be evaluated here. */
export function compileCondition({ expression }: RbacConditionConfig): (view: RequestView) => boolean {
  const { spec, protobuf } = library();
  return planned(protobuf.fromBinary(spec.ExprSchema, expression), isAttribute, attributesOf);
}

/** As it was written, over attributes of one's own. Throws as compileCondition(). */
export function compileExpression<Subject>(
  text: string,
  knowsAttribute: (root: string, field: string | undefined) => boolean,
  attributes: (subject: Subject) => Record<string, never>,
): (subject: Subject) => boolean {
  const { expr } = library().cel.parse(text);
  if (expr === undefined) throw new Error('is empty');
  return planned(expr, knowsAttribute, attributes);
}

function planned<Subject>(
  expr: Expr,
  knowsAttribute: (root: string, field: string | undefined) => boolean,
  attributes: (subject: Subject) => Record<string, never>,
): (subject: Subject) => boolean {
  const { cel } = library();
  const env = cel.celEnv();
  const knowsFunction = (name: string): boolean => operators.has(name) || env.funcs.find(name) !== undefined;
  new ExpressionCheck(knowsFunction, knowsAttribute).expression(expr);
  const evaluate = cel.plan(env, expr);
  return (subject) => {
    try {
      return evaluate(attributes(subject)) === true;
    } catch {
      return false;
    }
  };
}

/** Those that the planner knows itself. */
const operators: ReadonlySet<string> = new Set(['_&&_', '_||_', '_?_:_', '_[_]']);

/** A pattern that is none would be an error at every request. */
function checkPattern(pattern: Expr | undefined): void {
  const text = pattern?.exprKind.case === 'constExpr' ? pattern.exprKind.value.constantKind : undefined;
  if (text?.case === 'stringValue') compileLinearRegex(text.value);
}

class ExpressionCheck {
  readonly #knowsFunction: (name: string) => boolean;
  readonly #isAttribute: (root: string, field: string | undefined) => boolean;

  constructor(
    knowsFunction: (name: string) => boolean,
    knowsAttribute: (root: string, field: string | undefined) => boolean,
  ) {
    this.#knowsFunction = knowsFunction;
    this.#isAttribute = knowsAttribute;
  }

  expression(expr: Expr | undefined): void {
    const kind = expr?.exprKind;
    switch (kind?.case) {
      case 'constExpr':
        return;
      case 'identExpr':
      case 'selectExpr':
        this.#reference(expr!);
        return;
      case 'callExpr': {
        const { function: name, target, args } = kind.value;
        if (!this.#knowsFunction(name)) throw new Error(`the function ${name} is not supported`);
        if (name === '_[_]') this.#index(args);
        if (name === 'matches') checkPattern(args.at(-1));
        if (target !== undefined) this.expression(target);
        for (const each of args) this.expression(each);
        return;
      }
      case 'listExpr':
        for (const each of kind.value.elements) this.expression(each);
        return;
      case 'comprehensionExpr':
        // So does Envoy: a request's length would decide how long it takes.
        throw new Error('macros that go through a list (all, exists, map, filter) are not supported');
      case 'structExpr':
        if (kind.value.messageName !== '') throw new Error(`the message ${kind.value.messageName} is not supported`);
        for (const entry of kind.value.entries) {
          if (entry.keyKind.case === 'mapKey') this.expression(entry.keyKind.value);
          this.expression(entry.value);
        }
        return;
      default:
        throw new Error('has an expression of no kind that is known to this version');
    }
  }

  /** `request.path`: the first two names must be an attribute that there is. */
  #reference(expr: Expr): void {
    const names: string[] = [];
    let at: Expr | undefined = expr;
    while (at?.exprKind.case === 'selectExpr') {
      names.unshift(at.exprKind.value.field);
      at = at.exprKind.value.operand;
    }
    if (at?.exprKind.case !== 'identExpr') {
      this.expression(at);
      return;
    }
    const root = at.exprKind.value.name;
    const field = names[0];
    if (this.#isAttribute(root, field)) return;
    throw new Error(`${field === undefined ? root : `${root}.${field}`} is not an attribute that is supported`);
  }

  /** `request['path']`. */
  #index([operand, index]: readonly Expr[]): void {
    const root = operand?.exprKind.case === 'identExpr' ? operand.exprKind.value.name : '';
    const key = index?.exprKind.case === 'constExpr' ? index.exprKind.value.constantKind : undefined;
    if (root === '' || key?.case !== 'stringValue') return;
    if (!this.#isAttribute(root, key.value)) throw new Error(`${root}[${JSON.stringify(key.value)}] is not supported`);
  }
}
