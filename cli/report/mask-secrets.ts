/**
 * Takes secrets out of what goes into a report: by the names that they stand under (in JSON and YAML by structure, in other text by their neighbourhood), and by what they look like wherever they stand (private keys, bearer
 * tokens, JWTs, tokens of known services, passwords in URLs). Better one word too many than one too few: a report is handed on.
 */
import { parseAllDocuments, stringify } from 'yaml';
import { hideParametersIn } from '../../sidecar/access-log/hidden-parameters.ts';
import { secretParameters } from '../../sidecar/recorder/secret-parameters.ts';

export const masked = '[masked]';

/** Of fields, variables, flags and headers. */
const secretName =
  /passw|passphrase|secret|credential|cookie|signature|bearer|jwt|hmac|api[-_]?key|private[-_]?key|access[-_]?key|signing[-_]?key|encryption[-_]?key|session[-_]?(?:id|key|ticket)|^auth$|authorization$|token(?!s?[-_]?(?:bucket|per))/i;
/** Names of things, and settings, rather than what is secret. */
const harmlessName =
  /sds_secret_configs?$|SdsSecretConfigs?$|_secrets$|Secrets$|secret_?name$|^serviceAccountToken$|max_?tokens$|tokens?_?per_?fill$|tokens?_?(?:ttl|expires|lifetime)|auth_?type$|jwt_?authn|^jwtRules$|signature_?algorithm/i;

/** Files of keys, as names of fields. In text these are mostly names of files. */
const keyFile = /\.(?:key|pem)$/i;
/** Of a query, wherever an address stands: what the recorder of a sidecar hides too. */
const hiddenParameters: ReadonlySet<string> = new Set(secretParameters);

/** What may stand over several lines. */
const keyTexts: readonly RegExp[] = [
  // Also in JSON, where lines end in \n, and when the end is cut off.
  /-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|$)/g,
  // `-----BEGIN ` in base64, as Secrets of Kubernetes have it: what is in it nobody looks up. It may be in lines of 64 or 76.
  /LS0tLS1CRUdJTi[A-Za-z0-9+/=]*(?:(?:(?:\\n|\s)+[A-Za-z0-9+/]{60,}={0,2})+(?:(?:\\n|\s)+[A-Za-z0-9+/=]+)?)?/g,
];

const secretTexts: ReadonlyArray<readonly [RegExp, string]> = [
  [/\b(bearer|basic|negotiate|digest)(\s+)(?!\[)[A-Za-z0-9+/=._~-]{6,}/gi, `$1$2${masked}`],
  [/\beyJ[\w-]{5,}\.[\w-]{5,}(?:\.[\w-]*)?/g, masked],
  [/\bojt_[0-9a-f]{6,}_[\w-]{10,}/g, masked],
  [
    /\b(?:gh[pousr]_\w{16,}|github_pat_\w{16,}|glpat-[\w-]{16,}|xox[abprs]-[\w-]{10,}|sk_(?:live|test)_\w{10,}|AKIA[0-9A-Z]{12,}|AIza[\w-]{30,}|npm_\w{20,})/g,
    masked,
  ],
  [/(\b[a-z][a-z0-9+.-]*:\/\/)[^\s/@"']+@/gi, `$1${masked}@`],
];
/** Headers whose value goes to the end of the line. */
const headerLine = /((?:proxy-)?authorization|(?:set-)?cookie|x-api-key)(["']?\s*[:=]\s*)(?!\[masked\])[^\r\n]+/gi;
/** `name: value`, `name=value`, `"name":"value"`. */
const named = /([\w.-]+)(\\?["']?\s*[:=]\s*\\?["']?)(?!\[masked\])[^\s"'\\,;&}\])]+/g;
/** A pair in JSON that is broken: `"key": "cookie", "value": "…"`. */
const paired = /((["'])(?:key|name|header)\2\s*:\s*\2([^"']*)\2\s*,\s*\2\w*value\w*\2\s*:\s*\2)[^"']*/g;
/** `--name value` */
const flagged = /(--?[\w-]+)(\s+)(?!-)[^\s"',]+/g;

function isSecretName(name: string): boolean {
  return secretName.test(name) && !harmlessName.test(name);
}

function withoutKeys(text: string): string {
  return keyTexts.reduce((safe, pattern) => safe.replace(pattern, masked), text);
}

/** Of text that is neither JSON nor YAML, or should be and is broken. */
export function maskText(text: string): string {
  const withoutIfSecret = (all: string, name: string, between: string): string =>
    isSecretName(name) ? `${name}${between}${masked}` : all;
  let safe = hideParametersIn(withoutKeys(text), hiddenParameters, masked).replace(headerLine, `$1$2${masked}`);
  safe = safe.replace(paired, (all, before: string, _: string, name: string) =>
    isSecretName(name) ? `${before}${masked}` : all,
  );
  for (const [pattern, instead] of secretTexts) safe = safe.replace(pattern, instead);
  return safe.replace(named, withoutIfSecret).replace(flagged, withoutIfSecret);
}

/** Of a value of JSON or YAML. `listedKind`: of an item of a list of Kubernetes, which does not name it. */
export function maskValue(value: unknown, listedKind = ''): unknown {
  if (typeof value === 'string') return maskString(value);
  if (Array.isArray(value)) return maskList(value);
  if (typeof value !== 'object' || value === null) return value;
  const fields = value as Readonly<Record<string, unknown>>;
  const kind = fields['kind'] ?? listedKind;
  const name = fields['key'] ?? fields['name'] ?? fields['header'] ?? fields['header_name'];
  // A header, a variable, a query parameter, as a pair.
  const pair = typeof name === 'string' && isSecretName(name);
  return Object.fromEntries(
    Object.entries(fields).map(([key, inner]) => {
      if (kind === 'Secret' && (key === 'data' || key === 'stringData')) return [key, withoutTexts(inner)];
      if (kind === 'SecretList' && key === 'items' && Array.isArray(inner))
        return [key, inner.map((item) => maskValue(item, 'Secret'))];
      if (isSecretName(key) || (keyFile.test(key) && typeof inner === 'string')) return [key, withoutTexts(inner)];
      // The figures of a statistic are none.
      const isFigure = typeof inner === 'number' && typeof name === 'string' && name.includes('.');
      if (pair && !isFigure && /value|match|regex|data|content/i.test(key)) return [key, withoutTexts(inner)];
      return [key, maskValue(inner)];
    }),
  );
}

/** Arguments of a command too: `--token`, `abc`. Pairs of headers: `['cookie', 'a=b']`. */
function maskList(list: readonly unknown[]): unknown[] {
  return list.map((each, i) => {
    const before = list[i - 1];
    const isValue = typeof before === 'string' && isSecretName(before) && !/[\s:=]/.test(before);
    return isValue && typeof each === 'string' && (before.startsWith('-') || list.length === 2)
      ? masked
      : maskValue(each);
  });
}

function maskString(text: string): string {
  const inner = text.trimStart();
  // JSON within JSON, as annotations of Kubernetes and log messages have it.
  if (inner.startsWith('{') || inner.startsWith('[')) {
    const value = parseJson(inner);
    if (value !== undefined) return JSON.stringify(maskValue(value));
  }
  return maskText(text);
}

/** What says nothing but that something was there. */
function withoutTexts(value: unknown): unknown {
  if (typeof value === 'string') return value === '' ? '' : masked;
  if (typeof value === 'number' || typeof value === 'bigint') return masked;
  if (Array.isArray(value)) return value.map(withoutTexts);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, withoutTexts(inner)]));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

export type TextKind = 'json' | 'yaml' | 'lines' | 'text';

/** Of a file of that kind. `lines`: each may be JSON. */
export function maskFile(text: string, kind: TextKind): string {
  switch (kind) {
    case 'json': {
      const value = parseJson(text);
      return value === undefined ? maskText(text) : `${JSON.stringify(maskValue(value), null, 1)}\n`;
    }
    case 'yaml':
      return maskYaml(text);
    case 'lines':
      // A key may stand over several lines.
      return withoutKeys(text)
        .split('\n')
        .map((line) => {
          const value = line.startsWith('{') ? parseJson(line) : undefined;
          return value === undefined ? maskText(line) : JSON.stringify(maskValue(value));
        })
        .join('\n');
    case 'text':
      return maskString(text);
  }
}

/** Comments go: nobody can say what is in them. What is no YAML is nothing that can be looked through, and goes too. */
function maskYaml(text: string): string {
  const documents = parseAllDocuments(text, { logLevel: 'silent' });
  if (!Array.isArray(documents)) return '';
  return documents
    .map((document) =>
      document.errors.length > 0
        ? `# not taken: it is no YAML (${maskText(document.errors[0]!.message.split('\n')[0]!)})\n`
        : stringify(maskValue(document.toJS({ maxAliasCount: 100 }))),
    )
    .join('---\n');
}
