/** The difference of two texts by lines, in hunks with lines around, as `diff -u` has them. Of texts alone: what they say is not known here. */

export interface DiffLine {
  readonly kind: 'same' | 'removed' | 'added';
  readonly text: string;
  /** From 1; 0: it is not in that text. */
  readonly oldLine: number;
  readonly newLine: number;
}

export interface Hunk {
  readonly lines: readonly DiffLine[];
}

const linesAround = 3;
/** Cells of the table that finds what stayed; beyond it, what is between the first and the last change counts as changed as a whole. */
const maxCells = 4_000_000;

/** Empty when the texts are the same. */
export function lineDiff(before: string, after: string): Hunk[] {
  if (before === after) return [];
  return hunks(allLines(linesOf(before), linesOf(after)));
}

/** A missing line end at the end is a difference that would not be seen. */
function linesOf(text: string): string[] {
  if (text === '') return [];
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  else lines.push(`${lines.pop()!} (no line end)`);
  return lines;
}

function allLines(before: readonly string[], after: readonly string[]): DiffLine[] {
  let start = 0;
  while (start < before.length && start < after.length && before[start] === after[start]) start++;
  let oldEnd = before.length;
  let newEnd = after.length;
  while (oldEnd > start && newEnd > start && before[oldEnd - 1] === after[newEnd - 1]) {
    oldEnd--;
    newEnd--;
  }
  const lines: DiffLine[] = [];
  let oldLine = 0;
  let newLine = 0;
  const same = (text: string): number => lines.push({ kind: 'same', text, oldLine: ++oldLine, newLine: ++newLine });
  const removed = (text: string): number => lines.push({ kind: 'removed', text, oldLine: ++oldLine, newLine: 0 });
  const added = (text: string): number => lines.push({ kind: 'added', text, oldLine: 0, newLine: ++newLine });
  for (const text of before.slice(0, start)) same(text);
  const left = before.slice(start, oldEnd);
  const right = after.slice(start, newEnd);
  const length = (left.length + 1) * (right.length + 1) > maxCells ? null : commonLengths(left, right);
  let a = 0;
  let b = 0;
  while (a < left.length || b < right.length) {
    if (length !== null && a < left.length && b < right.length && left[a] === right[b]) {
      same(left[a]!);
      a++;
      b++;
    } else if (
      a < left.length &&
      (b === right.length ||
        length === null ||
        length[(a + 1) * (right.length + 1) + b]! >= length[a * (right.length + 1) + b + 1]!)
    )
      removed(left[a++]!);
    else added(right[b++]!);
  }
  for (const text of before.slice(oldEnd)) same(text);
  return lines;
}

/** How long the longest common sequence is from each pair of places on. */
function commonLengths(left: readonly string[], right: readonly string[]): Uint32Array {
  const width = right.length + 1;
  const table = new Uint32Array((left.length + 1) * width);
  for (let a = left.length - 1; a >= 0; a--)
    for (let b = right.length - 1; b >= 0; b--)
      table[a * width + b] =
        left[a] === right[b]
          ? table[(a + 1) * width + b + 1]! + 1
          : Math.max(table[(a + 1) * width + b]!, table[a * width + b + 1]!);
  return table;
}

function hunks(lines: readonly DiffLine[]): Hunk[] {
  const found: Hunk[] = [];
  let from = -1;
  let until = -1;
  lines.forEach(({ kind }, at) => {
    if (kind === 'same') return;
    const first = Math.max(0, at - linesAround);
    if (first > until) {
      if (from !== -1) found.push({ lines: lines.slice(from, until) });
      from = first;
    }
    until = Math.min(lines.length, at + linesAround + 1);
  });
  if (from !== -1) found.push({ lines: lines.slice(from, until) });
  return found;
}
