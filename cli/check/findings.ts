/** What a check found: each with a level and, where something is to be done, what. Says nothing of how it is printed. */

/** `warning` may stay so; `problem` has to be mended now, and makes the command end with 1; `skipped` could not be looked at from here. */
export type Level = 'ok' | 'skipped' | 'warning' | 'problem';

export interface Finding {
  readonly group: string;
  readonly level: Level;
  /** What is so. */
  readonly text: string;
  /** What mends it; '' : nothing is to be done. */
  readonly next: string;
}

/** More of one kind are counted only. */
const mostNamed = 5;

/** Collects the findings of one group. */
export class Findings {
  readonly #group: string;
  readonly all: Finding[] = [];

  constructor(group: string) {
    this.#group = group;
  }

  ok(text: string): void {
    this.#add('ok', text, '');
  }

  skipped(text: string, next: string): void {
    this.#add('skipped', text, next);
  }

  warning(text: string, next: string): void {
    this.#add('warning', text, next);
  }

  problem(text: string, next: string): void {
    this.#add('problem', text, next);
  }

  /** Nothing but this is to be said, when nothing was wrong. */
  okUnlessSaid(text: string): Finding[] {
    if (this.all.every(({ level }) => level === 'ok' || level === 'skipped')) this.ok(text);
    return this.all;
  }

  #add(level: Level, text: string, next: string): void {
    this.all.push({ group: this.#group, level, text, next });
  }
}

/** `a, b, c and 4 more` */
export function named(names: readonly string[], most: number = mostNamed): string {
  const more = names.length - most;
  return more > 0 ? `${names.slice(0, most).join(', ')} and ${more} more` : names.join(', ');
}

/** `1 proxy`, `2 proxies` */
export function counted(count: number, one: string, many: string): string {
  return `${count} ${count === 1 ? one : many}`;
}
