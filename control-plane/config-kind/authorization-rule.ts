/** Rules of an AuthorizationPolicy: `from`, `to` and `when`, named as Istio names them, and the conditions that they come to. */
import { z } from 'zod';
import { celFault, requestAttributes } from './cel-expression.ts';
import { type ConditionKey, conditionKey, conditionKeys } from './condition-key.ts';
import { ipBlock, ipBlockList, ipBlocks } from './ip-block.ts';
import type { AuthorizationRule, Condition, TextAttribute, TextPattern } from './policy-resource.ts';
import { portNumber } from './route-reference.ts';
import { patterns, textPattern, textPatterns, tooMuchText } from './text-pattern.ts';

const name = '[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?';
const accountShape = new RegExp(`^(?:${name}/)?${name}$`);

const anyText = patterns();
/** `…/ns/shop` is the beginning of an identity, and nobody's. */
const principals = patterns(({ type, value }) =>
  type === 'exact' && /\/ns\/[^/]*\/?$/.test(value)
    ? "is nobody's identity: write <trust domain>/ns/<namespace>/sa/<account>, a star behind /sa/, or namespaces"
    : null,
);
const accounts = patterns(({ type, value }) =>
  type === 'exact' && accountShape.test(value)
    ? null
    : 'is not a service account; write it as namespace/name, without a star',
);
const isSuffix = ({ type }: TextPattern): boolean => type === 'suffix';
const namespaces = patterns(
  ({ value }) =>
    value.includes('/')
      ? 'is not the name of a namespace'
      : /[A-Z]/.test(value)
        ? 'is no namespace: names have no capitals'
        : null,
  isSuffix,
);
const standardMethods: ReadonlySet<string> = new Set([
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'DELETE',
  'CONNECT',
  'OPTIONS',
  'TRACE',
  'PATCH',
]);
const methods = patterns(({ type, value }) => {
  if (!/^[A-Za-z0-9!#$%&'+\-.^_`|~]*$/.test(value)) return 'is not a method (RFC 9110 9.1)';
  const upper = value.toUpperCase();
  return type === 'exact' && value !== upper && standardMethods.has(upper)
    ? `is a method that nobody sends: case matters, write ${upper}`
    : null;
});
/** Paths are compared in normal form, which has none of these: a rule with one never matches. */
function neverOfPaths(type: TextPattern['type'], value: string): string | null {
  // What stands at a star may be a part only.
  const whole = type === 'exact' ? `${value}/` : value;
  if (value.includes('//') || value.includes('\\') || /\/\.\.?\//.test(whole))
    return 'is no path in normal form, which has no //, no /./ or /../ and no backslash: it would never match';
  for (const [escape] of value.matchAll(/%[0-9A-Fa-f]{2}/g)) {
    const character = characterOf(escape);
    if (/[A-Za-z0-9._~-]/.test(character))
      return `is no path in normal form: write ${character} for ${escape}, or it would never match`;
    if (character === '/' || character === '\\')
      return `holds ${escape}, which is answered 400 where rules look at paths: it would never match`;
  }
  return null;
}

function characterOf(escape: string): string {
  return String.fromCharCode(Number.parseInt(escape.slice(1), 16));
}

const paths = patterns(({ type, value }) =>
  type === 'suffix' || type === 'any' || value.startsWith('/')
    ? value.includes('?') || value.includes('#')
      ? 'holds ? or #; a path is compared without its query'
      : neverOfPaths(type, value)
    : 'is not a path: it begins with /',
);
const hosts = patterns(({ value }) => (/[/\s@]/.test(value) ? 'is not a host name' : null), isSuffix);
const ports = z
  .array(portNumber)
  .min(1, { error: 'is empty; leave it out when it is not to matter' })
  .max(1_000, { error: 'has more than 1000 entries' });

const source = z
  .strictObject({
    principals: principals
      .optional()
      .describe(
        'SPIFFE IDs of callers, from their certificates: spiffe://cluster.local/ns/shop/sa/orders, with or without spiffe://',
      ),
    notPrincipals: principals.optional(),
    namespaces: namespaces.optional().describe("Of the caller's identity, in the own trust domain"),
    notNamespaces: namespaces.optional(),
    serviceAccounts: accounts.optional().describe("namespace/name, or a name in the policy's namespace"),
    notServiceAccounts: accounts.optional(),
    ipBlocks: ipBlocks.optional().describe('Where the connection comes from; what headers say of it does not count'),
    notIpBlocks: ipBlocks.optional(),
    requestPrincipals: anyText.optional().describe('issuer/subject of a token that a RequestAuthentication found good'),
    notRequestPrincipals: anyText.optional(),
  })
  .check((context) => saysSomething(context));

const operation = z
  .strictObject({
    hosts: hosts.optional().describe('Case does not matter; without a port, any port'),
    notHosts: hosts.optional(),
    methods: methods.optional(),
    notMethods: methods.optional(),
    paths: paths.optional().describe('In normal form, without the query'),
    notPaths: paths.optional(),
    ports: ports.optional().describe("That the application listens on: a Service's targetPort, not its port"),
    notPorts: ports.optional(),
  })
  .check((context) => saysSomething(context));

const condition = z
  .strictObject({
    key: z.string().optional().describe(conditionKeys.join(', ')),
    values: z.array(z.string()).min(1, { error: 'is empty; leave it out' }).max(1_000).optional(),
    notValues: z.array(z.string()).min(1, { error: 'is empty; leave it out' }).max(1_000).optional(),
    cel: z
      .string()
      .optional()
      .describe('A condition in CEL over request, destination, connection and metadata; instead of key'),
  })
  .check((context) => checkCondition(context));

export const rule = z.strictObject({
  name: z
    .string()
    .optional()
    .describe('Kept out of the names that answers and logs show: those are <namespace>/<policy>#rule-<n>'),
  from: z
    .array(z.strictObject({ source }))
    .min(1, { error: 'is empty; leave it out for any caller' })
    .max(500, { error: 'has more than 500 entries' })
    .optional()
    .describe('Callers, one of them. Default: any'),
  to: z
    .array(z.strictObject({ operation }))
    .min(1, { error: 'is empty; leave it out for any request' })
    .max(500, { error: 'has more than 500 entries' })
    .optional()
    .describe('What is asked, one of them. Default: anything'),
  when: z
    .array(condition)
    .min(1, { error: 'is empty; leave it out' })
    .max(100, { error: 'has more than 100 entries' })
    .optional()
    .describe('Further conditions, all of them'),
});

type WrittenRule = z.output<typeof rule>;
type WrittenCondition = z.output<typeof condition>;
type Issues = z.core.$ZodRawIssue[];

function saysSomething({ value, issues }: { readonly value: object; readonly issues: Issues }): void {
  // A field that is not known is told already.
  if (Object.keys(value).length === 0 && issues.length === 0)
    issues.push({
      code: 'custom',
      continue: true,
      input: value,
      path: [],
      message: 'names nothing; leave the entry out, or say what is to match',
    });
}

/** RFC 9110 7.6.1; what stands there is each proxy's own affair. */
const neverSeen: ReadonlySet<string> = new Set(['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding']);

function checkCondition({ value, issues }: { readonly value: WrittenCondition; readonly issues: Issues }): void {
  const add = (path: Array<string | number>, input: unknown, message: string): number =>
    issues.push({ code: 'custom', continue: true, input, path, message });
  if (value.cel !== undefined) {
    const fault = celFault(value.cel, requestAttributes);
    if (fault !== null) add(['cel'], value.cel, fault);
    if (value.key !== undefined || value.values !== undefined || value.notValues !== undefined)
      add(['cel'], value, '"cel" stands beside key or values; a condition is one or the other');
    return;
  }
  if (value.key === undefined) {
    add(['key'], value, 'is missing; a key with values or notValues is expected, or cel');
    return;
  }
  const key = conditionKey(value.key);
  if (key === null) {
    add(['key'], value.key, `is not known; accepted: ${conditionKeys.join(', ')}, and cel instead of a key`);
    return;
  }
  if (key.attribute === 'header' && neverSeen.has(key.name))
    add(['key'], value.key, 'is a header of the connection, which no rule sees: it would never match');
  if (key.attribute === 'header' && key.name === 'host')
    add(['key'], value.key, 'is part of the target; write it as hosts of an operation');
  if (value.values === undefined && value.notValues === undefined)
    add(['values'], value, 'is missing, and notValues too: the condition says nothing');
  for (const field of ['values', 'notValues'] as const) {
    const tooMuch = regexTextFault(key, value[field] ?? []);
    if (tooMuch !== null) {
      add([field], value[field], tooMuch);
      continue;
    }
    for (const [at, text] of (value[field] ?? []).entries()) {
      const fault = valueFault(key, text);
      if (fault !== null) add([field, at], text, fault);
    }
  }
}

/** Values of headers are elements of a list, as a header may come in several lines (RFC 9110 5.3), so a comma is none. */
const headerValues = patterns(({ value }) =>
  !/^[\u0020-\u002b\u002d-\u007e]*$/.test(value) || value !== value.trim() || value.length > 256
    ? 'is not a value of a header: at most 256 printable ASCII characters, no comma, no space at its ends'
    : null,
);

/** Elements of headers are found by one expression for all values. */
function regexTextFault({ attribute }: ConditionKey, texts: readonly string[]): string | null {
  if (attribute === 'header') return tooMuchText(texts, () => true);
  return attribute === 'namespace' ? tooMuchText(texts, isSuffix) : null;
}

function valueFault(key: ConditionKey, text: string): string | null {
  if (key.attribute === 'ip')
    return ipBlock(text) === null
      ? 'is not an address or a block of addresses; write 10.0.0.0/8, fd00::/8 or 10.0.3.7'
      : null;
  if (key.attribute === 'port')
    return portNumber.safeParse(Number(text)).success && /^[0-9]+$/.test(text)
      ? null
      : 'is not a port number: a whole number from 1 to 65535';
  const schema =
    key.attribute === 'serviceAccount'
      ? accounts
      : key.attribute === 'namespace'
        ? namespaces
        : key.attribute === 'header'
          ? headerValues
          : key.attribute === 'principal'
            ? principals
            : anyText;
  const result = schema.safeParse([text]);
  return result.success ? null : (result.error.issues[0]?.message ?? 'is not accepted');
}

/** The validated rule as conditions. `namespace` is the policy's. */
export function authorizationRule(written: WrittenRule, namespace: string): AuthorizationRule {
  return {
    from: (written.from ?? []).map(({ source: from }) => [
      ...texts('principal', from.principals, from.notPrincipals, namespace),
      ...texts('namespace', from.namespaces, from.notNamespaces, namespace),
      ...texts('serviceAccount', from.serviceAccounts, from.notServiceAccounts, namespace),
      ...ips(from.ipBlocks, from.notIpBlocks),
      ...texts('requestPrincipal', from.requestPrincipals, from.notRequestPrincipals, namespace),
    ]),
    to: (written.to ?? []).map(({ operation: to }) => [
      ...texts('host', to.hosts, to.notHosts, namespace),
      ...texts('method', to.methods, to.notMethods, namespace),
      ...texts('path', to.paths, to.notPaths, namespace),
      ...portList(to.ports, to.notPorts),
    ]),
    when: (written.when ?? []).flatMap((each) => conditionsOf(each, namespace)),
  };
}

function conditionsOf({ cel, key: text, values, notValues }: WrittenCondition, namespace: string): Condition[] {
  if (cel !== undefined) return [{ attribute: 'cel', expression: cel }];
  const key = conditionKey(text!)!;
  switch (key.attribute) {
    case 'ip':
      return ips(values, notValues);
    case 'port':
      return portList(values?.map(Number), notValues?.map(Number));
    case 'header':
      return [
        { attribute: 'header', name: key.name, values: textPatterns(values), notValues: textPatterns(notValues) },
      ];
    case 'claim':
      return [{ attribute: 'claim', path: key.path, values: textPatterns(values), notValues: textPatterns(notValues) }];
    default:
      return texts(key.attribute, values, notValues, namespace);
  }
}

function texts(
  attribute: TextAttribute,
  values: readonly string[] | undefined,
  notValues: readonly string[] | undefined,
  namespace: string,
): Condition[] {
  if (values === undefined && notValues === undefined) return [];
  const read = (list: readonly string[] | undefined): TextPattern[] =>
    (list ?? []).map((text) => textPattern(fullText(attribute, text, namespace)));
  return [{ attribute, values: read(values), notValues: read(notValues) }];
}

/** IDs with their scheme, accounts with their namespace. */
function fullText(attribute: TextAttribute, text: string, namespace: string): string {
  if (attribute === 'serviceAccount') return text.includes('/') ? text : `${namespace}/${text}`;
  return attribute === 'principal' && !text.startsWith('*') && !text.startsWith('spiffe://')
    ? `spiffe://${text}`
    : text;
}

function ips(values: readonly string[] | undefined, notValues: readonly string[] | undefined): Condition[] {
  return values === undefined && notValues === undefined
    ? []
    : [{ attribute: 'ip', values: ipBlockList(values), notValues: ipBlockList(notValues) }];
}

function portList(values: readonly number[] | undefined, notValues: readonly number[] | undefined): Condition[] {
  return values === undefined && notValues === undefined
    ? []
    : [{ attribute: 'port', values: values ?? [], notValues: notValues ?? [] }];
}
