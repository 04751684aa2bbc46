/**
 * Rules in their order, of which those that a request can fulfil are found by looking up its path, its headers, its caller's names and what filters found out, instead of trying all. For each rule the key is taken that
 * fewest others have; a rule without one is always tried.
 */
import { type CompiledRule, holds } from './compiled-rule.ts';
import { metadataAt } from './metadata-rule.ts';
import { headerValues, type RequestView } from './request-view.ts';
import { type KeySet, keySets, type RuleKey } from './rule-key.ts';
import { TextIndex } from './text-index.ts';

export interface NumberedRule {
  readonly number: number;
  readonly rule: CompiledRule;
}

/** So few are tried one after the other. */
const indexFrom = 5;

export class RuleIndex {
  /** By ascending number. */
  readonly #rules: readonly NumberedRule[];
  readonly #always: number[] = [];
  readonly #names = new TextIndex();
  readonly #paths = new TextIndex();
  readonly #headers = new Map<string, TextIndex>();
  /** Those names among them that do not stand in the fields. */
  readonly #pseudoHeaders: ReadonlyArray<readonly [string, TextIndex]>;
  readonly #metadata: MetadataIndex[] = [];
  readonly #indexed: boolean;
  /** Lists of candidates for the request in hand, and how far each is tried. Kept so that nothing is made per request. */
  readonly #lists: Array<readonly number[]> = [];
  readonly #at: number[] = [];

  /** `of`: whether rules are found by what the connection or by what the request has. */
  constructor(rules: readonly NumberedRule[], of: 'connection' | 'request') {
    this.#rules = rules;
    this.#indexed = rules.length >= indexFrom;
    if (this.#indexed) this.#file(of);
    this.#pseudoHeaders = [...this.#headers].filter(([name]) => name.startsWith(':') || name === 'host');
  }

  get size(): number {
    return this.#rules.length;
  }

  /** The first rule that holds, if its number is below `before`; else -1. */
  first(view: RequestView, before: number): number {
    const rules = this.#rules;
    if (!this.#indexed) {
      for (let i = 0; i < rules.length && rules[i]!.number < before; i++)
        if (holds(rules[i]!.rule, view)) return rules[i]!.number;
      return -1;
    }
    this.#collect(view);
    for (let at = this.#next(-1); at >= 0 && rules[at]!.number < before; at = this.#next(at))
      if (holds(rules[at]!.rule, view)) return rules[at]!.number;
    return -1;
  }

  /** Rules that what is looked up does not exclude, in their order. */
  candidates(view: RequestView): readonly NumberedRule[] {
    if (!this.#indexed) return this.#rules;
    this.#collect(view);
    const found: NumberedRule[] = [];
    for (let at = this.#next(-1); at >= 0; at = this.#next(at)) found.push(this.#rules[at]!);
    return found;
  }

  #file(of: 'connection' | 'request'): void {
    const choices = this.#rules.map(({ rule }) => keySets(rule, of));
    const shared = new Map<string, number>();
    for (const sets of choices)
      for (const set of sets) for (const key of set) shared.set(keyId(key), (shared.get(keyId(key)) ?? 0) + 1);
    const crowd = (set: KeySet): number => set.reduce((sum, key) => sum + shared.get(keyId(key))!, 0);
    for (const [at, sets] of choices.entries()) {
      let best: KeySet | null = null;
      for (const set of sets) if (best === null || crowd(set) < crowd(best)) best = set;
      if (best === null) this.#always.push(at);
      else for (const { on, text, prefix } of best) this.#textIndex(on).add(text, prefix, at);
    }
  }

  #textIndex(on: string): TextIndex {
    if (on === 'path') return this.#paths;
    if (on === 'name') return this.#names;
    if (on.startsWith('metadata:')) return this.#metadataIndex(on);
    const name = on.slice('header:'.length);
    let index = this.#headers.get(name);
    if (index === undefined) this.#headers.set(name, (index = new TextIndex()));
    return index;
  }

  #metadataIndex(on: string): TextIndex {
    let found = this.#metadata.find((each) => each.on === on);
    if (found === undefined) {
      const [filter, path] = JSON.parse(on.slice('metadata:'.length)) as [string, string[]];
      this.#metadata.push((found = { on, filter, path, index: new TextIndex() }));
    }
    return found.index;
  }

  #collect(view: RequestView): void {
    const lists = this.#lists;
    lists.length = 0;
    if (this.#always.length > 0) lists.push(this.#always);
    this.#paths.collect(view.path, lists);
    const { names } = view.connection;
    if (names !== null) for (let i = 0; i < names.length; i++) this.#names.collect(names[i]!, lists);
    if (this.#headers.size > 0) this.#collectHeaders(view);
    if (view.metadata !== null) for (const each of this.#metadata) collectMetadata(each, view, lists);
    for (let i = 0; i < lists.length; i++) this.#at[i] = 0;
  }

  #collectHeaders(view: RequestView): void {
    const lists = this.#lists;
    const { names, values } = view.head.fields;
    for (let i = 0; i < names.length; i++) this.#headers.get(names[i]!.lower)?.collect(values[i]!, lists);
    for (const [name, index] of this.#pseudoHeaders)
      for (const value of headerValues(view, name)) index.collect(value, lists);
  }

  /** The candidate after `last` in order; -1: there is none. */
  #next(last: number): number {
    const lists = this.#lists;
    const at = this.#at;
    let next = -1;
    for (let i = 0; i < lists.length; i++) {
      const list = lists[i]!;
      // The same rule may stand in several lists.
      while (at[i]! < list.length && list[at[i]!]! <= last) at[i]!++;
      const candidate = list[at[i]!];
      if (candidate !== undefined && (next < 0 || candidate < next)) next = candidate;
    }
    return next;
  }
}

interface MetadataIndex {
  readonly on: string;
  readonly filter: string;
  readonly path: readonly string[];
  readonly index: TextIndex;
}

/** A text, or the texts of a list. */
function collectMetadata(
  { filter, path, index }: MetadataIndex,
  view: RequestView,
  lists: Array<readonly number[]>,
): void {
  const value = metadataAt(view, filter, path);
  for (const each of Array.isArray(value) ? (value as unknown[]) : [value])
    if (typeof each === 'string') index.collect(each, lists);
}

function keyId({ on, text, prefix }: RuleKey): string {
  return `${on}\0${prefix ? '^' : '='}${text}`;
}
