/**
 * How large a regular expression (RE2 syntax) becomes, before anything compiles it: repetitions are written out, so a few characters may come to a million instructions. Here, because who sends an
 * expression in Envoy's messages and who takes it must go by the same limits.
 */

/** Of the pattern, in UTF-16 units. */
const maxPatternLength = 16_384;
const maxInstructions = 10_000;

/** Why the pattern is too large to compile, or null. Whether it is RE2 at all is not asked. */
export function regexSizeFault(pattern: string): string | null {
  if (pattern.length > maxPatternLength) return `is longer than ${maxPatternLength} characters`;
  const size = regexSize(pattern);
  return size > maxInstructions
    ? `comes to ${size} instructions, above ${maxInstructions}: repeat less, or split it`
    : null;
}

/** Instructions that the compiled pattern has at most, roughly. */
export function regexSize(pattern: string): number {
  /** Of each open group: what it has so far, without its last part, which a repetition may multiply. */
  const outer: number[] = [];
  let sum = 1;
  let last = 0;
  const part = (size: number): void => {
    sum += last;
    last = size;
  };
  for (let at = 0; at < pattern.length; ) {
    const token = tokenAt(pattern, at);
    at += token.length;
    const character = token[0];
    if (character === '(') {
      outer.push(sum + last);
      sum = 2;
      last = 0;
    } else if (character === ')') {
      const group = sum + last;
      sum = outer.pop() ?? 0;
      last = group;
    } else if (character === '*' || character === '+' || character === '?') last++;
    else if (character === '|') part(1);
    else if (character === '[') part(1 + (token.length >> 2));
    else if (character === '{' && token.length > 1) {
      const [least, most] = token.slice(1, -1).split(',');
      last *= Math.max(1, Number(most === undefined || most === '' ? least : most));
    } else if (token.startsWith('\\Q')) for (const _ of token.slice(2)) part(1);
    else part(/^\\[pPdDwWsS]/.test(token) ? 4 : 1);
  }
  return [...outer, sum, last].reduce((all, each) => all + each, 0);
}

/** What counts as one: an escape, a quotation, a class with its brackets, a repetition, the beginning of a group, a character. */
const anyToken =
  /\\Q(?:(?!\\E)[^])*(?:\\E)?|\\[pPx]\{[^}]*\}|\\[pP][A-Za-z]|\\[^]|\[\^?\]?(?:\\[^]|\[:[^\]]*:\]|[^\]\\])*\]|\{\d+(?:,\d*)?\}|\(\?P?<[^>]*>|\(\?[a-zA-Z-]*:?|[^]/y;

function tokenAt(pattern: string, at: number): string {
  anyToken.lastIndex = at;
  return anyToken.exec(pattern)![0];
}
