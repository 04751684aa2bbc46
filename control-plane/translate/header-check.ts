/**
 * Conditions on request headers, which may be sent in several lines. Each line, and each element of a line between commas (which says the same, RFC 9110 5.3), is judged by itself: `someElement` finds
 * one that fits, `everyElement` wants all to fit, so that sending a header twice neither satisfies an ALLOW nor escapes a DENY.
 *
 * Envoy 1.40's RBAC matches a header when any of its lines matches; older ones join the lines with commas. The expressions here hold for both: `everyElement` is "one fits, and none is found that
 * does not", which takes an expression for what does not fit, made from the patterns as a tree of characters.
 */
import { create } from '@bufbuild/protobuf';
import { HeaderMatcherSchema } from '../../proto/generated/envoy/config/route/v3/route_components_pb.js';
import type { StringMatcher } from '../../proto/generated/envoy/type/matcher/v3/string_pb.js';
import type { TextPattern } from '../config-kind/policy-resource.ts';
import type { ClientKind } from './proxy-node.ts';
import { every, never, not, type SharedCheck, some } from './rbac-check.ts';
import { quoted, regexMatcher } from './text-matcher.ts';

export function someElement(name: string, patterns: readonly TextPattern[], kind: ClientKind): SharedCheck {
  if (patterns.length === 0) return never;
  return patterns.some(({ type }) => type === 'any')
    ? headerPresent(name)
    : headerCheck(name, regexMatcher(someElementRegex(patterns, anyText(kind))));
}

export function everyElement(name: string, patterns: readonly TextPattern[], kind: ClientKind): SharedCheck {
  if (patterns.length === 0 || patterns.some(({ type }) => type === 'any')) return someElement(name, patterns, kind);
  // Our sidecar judges each line by itself and wants all to match, where a match lets pass.
  if (kind !== 'envoy') return headerCheck(name, regexMatcher(everyElementRegex(patterns)));
  // What fits neither a beginning nor an end cannot be said in one expression: of a rule with both, all elements fit the one or all the other.
  const groups = [patterns.filter(({ type }) => type !== 'suffix'), patterns.filter(({ type }) => type === 'suffix')];
  return some(
    groups
      .filter((group) => group.length > 0)
      .map((group) =>
        every([
          someElement(name, group, kind),
          not(headerCheck(name, regexMatcher(otherElementRegex(group, anyText(kind))))),
        ]),
      ),
  );
}

/** Any bytes, also such as are not UTF-8, which `.` skips in Envoy's RE2; our sidecar's engine sees one character per byte. */
function anyText(kind: ClientKind): string {
  return kind === 'envoy' ? '\\C*' : '(?s:.*)';
}

export function headerCheck(name: string, value: StringMatcher): SharedCheck {
  return {
    leaf: 'header',
    value: create(HeaderMatcherSchema, { name, headerMatchSpecifier: { case: 'stringMatch', value } }),
  };
}

export function headerPresent(name: string): SharedCheck {
  return {
    leaf: 'header',
    value: create(HeaderMatcherSchema, { name, headerMatchSpecifier: { case: 'presentMatch', value: true } }),
  };
}

/** Matches a line with an element that fits. A prefix or suffix may run over further elements without harm: an element begins, or ends, with it all the same. */
export function someElementRegex(patterns: readonly TextPattern[], anyText: string): string {
  const fits = patterns.map(({ type, value }) => {
    const text = quoted(value);
    if (type === 'prefix') return `${before(anyText)}${text}${anyText}`;
    return type === 'suffix' ? `${anyText}${text}${after(anyText)}` : `${before(anyText)}${text}${after(anyText)}`;
  });
  return fits.length === 1 ? fits[0]! : `(?:${fits.join('|')})`;
}

/** Matches a line of which every element that is not empty fits, and which has one. */
function everyElementRegex(patterns: readonly TextPattern[]): string {
  const fits = patterns.map(({ type, value }) => {
    const text = quoted(value);
    return type === 'prefix' ? `${text}[^,]*` : type === 'suffix' ? `[^,]*${text}` : text;
  });
  return `[ \\t,]*(?:(?:${fits.join('|')})[ \\t]*(?:,[ \\t,]*|$))+`;
}

/**
 * Matches a line with an element that is not empty and fits none of the patterns: exact and prefixes, or suffixes (read from their ends). Such an element goes along a pattern to a character that
 * none has there, whatever follows; or it ends on the way.
 */
export function otherElementRegex(patterns: readonly TextPattern[], anyText: string): string {
  const backwards = patterns.every(({ type }) => type === 'suffix');
  const root = newNode();
  for (const { type, value } of patterns) {
    let node = root;
    for (const character of backwards ? [...value].toReversed() : value) {
      let next = node.next.get(character);
      if (next === undefined) {
        next = newNode();
        node.next.set(character, next);
      }
      node = next;
    }
    if (type === 'exact') node.isExact = true;
    else node.isWhole = true;
  }
  const then: Sequence = backwards ? (first, second) => second + first : (first, second) => first + second;
  const endsOnTheWay = ending(root, then);
  const other = then(leaving(root, '', then), `(?:${then('[^,]*', end)})?`);
  return `${before(anyText)}(?:${endsOnTheWay === '' ? other : `${other}|${endsOnTheWay}`})${after(anyText)}`;
}

interface CharacterNode {
  readonly next: Map<string, CharacterNode>;
  /** What ends here fits. */
  isExact: boolean;
  /** Whatever goes on from here fits. */
  isWhole: boolean;
}

const newNode = (): CharacterNode => ({ next: new Map(), isExact: false, isWhole: false });

/** Puts two expressions in the order in which they stand in the text. */
type Sequence = (first: string, second: string) => string;

/** From this node to a character that leads nowhere. `last`: the one that led here, '' at the root. White space at the end belongs to no element, so where that would fit, or be nothing, more must follow. */
function leaving(node: CharacterNode, last: string, then: Sequence): string {
  const known = `${[...node.next.keys()].map(quoted).join('')},`;
  const needsMore = last === '' || last === ' ' || node.isExact;
  const ways = [needsMore ? `[^${known} \\t]` : `[^${known}]`];
  if (needsMore && last !== '') {
    const spaces = node.next.has(' ') ? '\\t' : '[ \\t]';
    ways.push(then(spaces, then('[^,]*', end)));
  }
  for (const [character, next] of node.next)
    if (!next.isWhole) ways.push(then(quoted(character), leaving(next, character, then)));
  return ways.length === 1 ? ways[0]! : `(?:${ways.join('|')})`;
}

/** On from this node to another where an element may end that does not fit; '' : there is none. */
function ending(node: CharacterNode, then: Sequence): string {
  const ways: string[] = [];
  for (const [character, next] of node.next) {
    if (next.isWhole) continue;
    const further = ending(next, then);
    const mayEnd = !next.isExact && character !== ' ';
    if (further === '' && !mayEnd) continue;
    ways.push(then(quoted(character), further === '' || !mayEnd ? further : `(?:${further})?`));
  }
  return ways.length < 2 ? (ways[0] ?? '') : `(?:${ways.join('|')})`;
}

/** Of an element, at either end. */
const end = '[^, \\t]';
const space = '[ \\t]*';
const before = (anyText: string): string => `(?:${anyText},)?${space}`;
const after = (anyText: string): string => `${space}(?:,${anyText})?`;
