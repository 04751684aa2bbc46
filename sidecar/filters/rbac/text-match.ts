/**
 * String matchers of rules, on what came from the wire. Header values and paths are strings of bytes here (latin1), a configuration is text: `é` in a rule must be found in the two bytes that a
 * client sends for it. Names in certificates and metadata are text on both sides. Case is that of ASCII only, as in Envoy: folding more would make different bytes the same.
 */
import { isUtf8 } from 'node:buffer';
import type { StringMatchConfig } from '../../config/route-config.ts';
import { compileRegex, type StringMatcher } from '../../router/string-matcher.ts';

/** `bytes`: values are latin1 strings of bytes; `text`: they are text. */
export type ValueForm = 'bytes' | 'text';

export function compileTextMatch(config: StringMatchConfig, form: ValueForm): StringMatcher {
  if (config.kind === 'regex') {
    const matches = compileRegex(config.value);
    return form === 'text' ? matches : (value) => matches(textOfBytes(value));
  }
  const written = form === 'bytes' ? bytesOfText(config.value) : config.value;
  const wanted = config.ignoreCase ? lowerAscii(written) : written;
  const fold = config.ignoreCase ? lowerAscii : asItIs;
  switch (config.kind) {
    case 'exact':
      return config.ignoreCase
        ? (value) => value.length === wanted.length && lowerAscii(value) === wanted
        : (value) => value === wanted;
    case 'prefix':
      return (value) => fold(value).startsWith(wanted);
    case 'suffix':
      return (value) => fold(value).endsWith(wanted);
    case 'contains':
      return (value) => fold(value).includes(wanted);
  }
}

/** UTF-8, as a string of bytes. */
export function bytesOfText(text: string): string {
  return isAscii(text) ? text : Buffer.from(text, 'utf8').toString('latin1');
}

/** What a regular expression and CEL see: characters where the bytes are UTF-8; else each byte for itself, so that a stray byte cannot hide a value from `.*`. */
export function textOfBytes(value: string): string {
  if (isAscii(value)) return value;
  // It is text already.
  if (/[^\0-\u00ff]/.test(value)) return value;
  const bytes = Buffer.from(value, 'latin1');
  return isUtf8(bytes) ? bytes.toString('utf8') : value;
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return false;
  return true;
}

function lowerAscii(text: string): string {
  return isAscii(text) ? text.toLowerCase() : text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

function asItIs(text: string): string {
  return text;
}
