/** Which headers of a request an authorization service is told, and how they are written for it. */
import type { RequestHead } from '../../codec/message-head.ts';
import type { ExtAuthzConfig } from '../../config/ext-authz-config.ts';
import type { StringMatchConfig } from '../../config/route-config.ts';
import { compileStringMatcher, type StringMatcher } from '../../router/string-matcher.ts';

/** What every HTTP service is told (Envoy). */
const alwaysOverHttp: ReadonlySet<string> = new Set([':authority', ':method', ':path', 'authorization']);

export class ToldHeaders {
  readonly #allowed: StringMatcher | null;
  readonly #disallowed: StringMatcher | null;
  readonly #always: ReadonlySet<string>;

  constructor(config: ExtAuthzConfig) {
    const http = config.service.kind === 'http';
    this.#always = http ? alwaysOverHttp : new Set();
    this.#allowed = config.allowedHeaders !== null ? anyOf(config.allowedHeaders) : http ? () => false : null;
    this.#disallowed = config.disallowedHeaders.length === 0 ? null : anyOf(config.disallowedHeaders);
  }

  isTold(lower: string): boolean {
    if (this.#disallowed?.(lower) === true) return false;
    return this.#always.has(lower) || this.#allowed === null || this.#allowed(lower);
  }

  /** By lower-case name, pseudo-headers too; values of one name joined with commas (RFC 9110 5.3), cookies with semicolons. */
  asMap(head: RequestHead): Record<string, string> {
    const map = new Map<string, string>();
    const add = (name: string, value: string): void => {
      if (!this.isTold(name)) return;
      const before = map.get(name);
      const text = utf8(value);
      map.set(name, before === undefined ? text : `${before}${name === 'cookie' ? '; ' : ','}${text}`);
    };
    add(':authority', head.authority);
    add(':path', head.path);
    add(':method', head.method);
    add(':scheme', head.scheme);
    const { names, values } = head.fields;
    for (let i = 0; i < names.length; i++) {
      const { lower } = names[i]!;
      // Says the same as :authority; and what would be an answer of Envoy's own about the body.
      if (lower !== 'host' && lower !== 'x-envoy-auth-partial-body') add(lower, values[i]!);
    }
    return Object.fromEntries(map);
  }
}

export function anyOf(configs: readonly StringMatchConfig[]): StringMatcher {
  const matchers = configs.map(compileStringMatcher);
  return (value) => matchers.some((matches) => matches(value));
}

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Bytes of a value, one character each → text; bytes that are no UTF-8 as `!` (Envoy). */
function utf8(value: string): string {
  if (/^[\0-\x7f]*$/.test(value)) return value;
  const bytes = Buffer.from(value, 'latin1');
  try {
    return strict.decode(bytes);
  } catch {
    return bytes.toString('utf8').replaceAll('\ufffd', '!');
  }
}
