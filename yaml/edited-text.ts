/**
 * Changes a document's text where its value changes, and nowhere else: what stays is the same to the byte, comments, spaces, quotes and line ends with it. Works on the places that the parser tells, not on what the library
 * would write. What cannot be changed so (aliases, explicit keys, a document that is all flow) is left to patch-document.ts; the text that comes out is read again, and has to say what was asked for.
 */
import { isDeepStrictEqual } from 'node:util';
import {
  Document,
  isAlias,
  isCollection,
  isMap,
  isScalar,
  isSeq,
  type Pair,
  visit,
  type YAMLMap,
  type YAMLSeq,
} from 'yaml';
import { pointer } from './json-pointer.ts';
import { documentFaults, documentValue, readDocuments } from './read-documents.ts';

/** The text of a whole file, and which part of it the document is. */
export interface DocumentText {
  readonly text: string;
  readonly from: number;
  readonly to: number;
}

/**
 * By JSON Pointer in the changed value, of fields of maps: as what text `name: value` is to be written, its lines indented as if it began in the first column; or as a whole anew in the order of `value`, though parts of it may
 * be as before.
 */
export type FieldTexts = ReadonlyMap<string, string | { readonly value: unknown }>;

type Plain = Readonly<Record<string, unknown>>;

/** Null: its writing cannot be kept. `before`: the document's value. */
export function editedText(
  document: Document.Parsed,
  source: DocumentText,
  before: unknown,
  after: unknown,
  texts: FieldTexts,
): string | null {
  if (!isEditable(document)) return null;
  const editor = new TextEditor(document, source, texts);
  try {
    editor.change(before, after);
  } catch (error) {
    if (error instanceof NoPlace) return null;
    throw error;
  }
  const text = editor.result();
  return text !== null && saysThat(text, after) ? text : null;
}

/** What tells of a field how it is written, in the manner of FieldTexts; null: just as editedText would write it anew, or nobody can tell. `value`: the field's. */
export function fieldTexts(
  document: Document.Parsed,
  source: DocumentText,
): (path: readonly string[], value: unknown) => string | null {
  // Looks at the whole document once, and only when somebody asks.
  let editor: TextEditor | null | undefined;
  return (path, value) => {
    if (editor === undefined) editor = isEditable(document) ? new TextEditor(document, source, new Map()) : null;
    try {
      return editor?.fieldText(path, value) ?? null;
    } catch (error) {
      if (error instanceof NoPlace) return null;
      throw error;
    }
  };
}

class NoPlace extends Error {}

function isEditable(document: Document.Parsed): boolean {
  const { contents } = document;
  if (!isCollection(contents) || contents.flow === true) return false;
  let plain = true;
  visit(document, (_, node) => {
    if (!isAlias(node)) return undefined;
    plain = false;
    return visit.BREAK;
  });
  return plain;
}

function saysThat(text: string, wanted: unknown): boolean {
  const { documents, fault } = readDocuments(text, 'kubernetes');
  const [document] = documents;
  if (fault !== null || documents.length !== 1 || document === undefined || documentFaults(document).length > 0)
    return false;
  return isDeepStrictEqual(documentValue(document), wanted);
}

interface Edit {
  readonly from: number;
  readonly to: number;
  readonly text: string;
}

class TextEditor {
  readonly #document: Document.Parsed;
  readonly #text: string;
  readonly #source: DocumentText;
  readonly #texts: FieldTexts;
  readonly #lineEnd: '\n' | '\r\n';
  /** Whether items of a list stand further in than its key. */
  readonly #indentSeq: boolean;
  /** Whether it writes { a: 1 }, not {a: 1}. */
  readonly #padded: boolean;
  readonly #edits: Edit[] = [];

  constructor(document: Document.Parsed, source: DocumentText, texts: FieldTexts) {
    this.#document = document;
    this.#source = source;
    this.#text = source.text;
    this.#texts = texts;
    this.#lineEnd = source.text.slice(source.from, source.to).includes('\r\n') ? '\r\n' : '\n';
    this.#indentSeq = this.#indentsLists();
    this.#padded = !/\{\S/.test(source.text.slice(source.from, source.to).replaceAll('{}', ''));
  }

  change(before: unknown, after: unknown): void {
    if (!this.#within(this.#document.contents, before, after, [], 0)) throw new NoPlace();
  }

  /** Null: changes overlap. */
  result(): string | null {
    let text = '';
    let at = this.#source.from;
    for (const { from, to, text: next } of this.#edits.toSorted((a, b) => a.from - b.from || a.to - b.to)) {
      if (from < at) return null;
      text += this.#text.slice(at, from) + next;
      at = to;
    }
    return text + this.#text.slice(at, this.#source.to);
  }

  fieldText(path: readonly string[], value: unknown): string | null {
    const name = path.at(-1)!;
    const map = path.length === 1 ? this.#document.contents : this.#document.getIn(path.slice(0, -1).map(step), true);
    const pair = isMap(map) ? map.items.find((each) => nameOf(each) === name) : undefined;
    if (!isMap(map) || pair === undefined) return null;
    const from = keyStart(pair);
    const written = this.#text.slice(from, this.#fieldEnd(map, pair)).replaceAll('\r\n', '\n');
    if (!isCollection(pair.value)) {
      const scalar = this.#text.slice(this.#valueStart(pair), this.#end(pair)).trim();
      return scalar === (value === null ? '' : this.#anew(value)) ? null : written;
    }
    const text = outdented(written, this.#column(from));
    return map.flow !== true && text === this.#anew({ [name]: value }) ? null : text;
  }

  #within(node: unknown, before: unknown, after: unknown, path: readonly string[], keyAt: number): boolean {
    if (isMap(node) && isPlain(before) && isPlain(after)) return this.#map(node, before, after, path);
    if (isSeq(node) && Array.isArray(before) && Array.isArray(after))
      return this.#list(node, before, after, path, keyAt);
    return false;
  }

  /** False: it has to be written anew. */
  #map(map: YAMLMap, before: Plain, after: Plain, path: readonly string[]): boolean {
    const pairs = map.items;
    const names = pairs.map(nameOf);
    if (new Set(names).size !== names.length || names.some((name) => !Object.hasOwn(before, name))) throw new NoPlace();
    const added = new Set(Object.keys(after).filter((name) => !Object.hasOwn(before, name)));
    const gone: boolean[] = [];
    // One that goes where one comes is in its place.
    const [heir] = added.size === 1 && names.filter((name) => !Object.hasOwn(after, name)).length === 1 ? added : [];
    if (heir !== undefined) added.clear();
    const instead = names.map((name) => (Object.hasOwn(after, name) ? name : (heir ?? null)));
    let last = -1;
    for (const [index, name] of instead.entries()) {
      gone[index] = name === null;
      if (name !== null) last = index;
    }
    if (last === -1 && (map.flow !== true || map.range === null || map.range === undefined)) return false;
    for (const [index, pair] of pairs.entries()) {
      const name = instead[index]!;
      if (name === null) continue;
      const [at, value] = [[...path, name], after[name]];
      const text = this.#texts.get(pointer(at));
      if (text !== undefined || name !== names[index]) this.#writeField(map, pair, name, text ?? { value });
      else if (!isDeepStrictEqual(before[name], value)) {
        if (!this.#within(pair.value, before[name], value, at, keyStart(pair)))
          this.#replaceValue(map, pair, name, before[name], value);
      }
    }
    this.#cut(
      pairs.map((pair) => [keyStart(pair), this.#end(pair)]),
      gone,
      map.flow === true,
    );
    if (added.size > 0) this.#add(map, last === -1 ? null : pairs[last]!, [...added], after);
    return true;
  }

  #list(list: YAMLSeq, before: readonly unknown[], after: readonly unknown[], path: readonly string[], keyAt: number) {
    const { items } = list;
    if (after.length === 0 || (items.length === 0 && list.flow !== true)) return false;
    const flow = list.flow === true;
    const places = items.map((item): readonly [number, number] => {
      const start = nodeStart(item);
      return [flow ? start : this.#dash(start), this.#nodeEnd(item)];
    });
    const same = matched(before, after);
    if (same === null) return false;
    const gone = items.map((_, index) => !same.includes(index));
    this.#cut(places, gone, flow);
    let next = 0;
    for (const [index, value] of after.entries()) {
      const old = same[index]!;
      if (old === -1) this.#insertItem(list, places, next, value, keyAt);
      else {
        next = old + 1;
        if (isDeepStrictEqual(before[old], value)) continue;
        const at = [...path, String(index)];
        if (this.#within(items[old], before[old], value, at, places[old]![0])) continue;
        const [from, to] = [nodeStart(items[old]), places[old]![1]];
        this.#edit(from, to, flow ? this.#flow(value) : this.#indented(this.#anew(value), this.#column(from)));
      }
    }
    return true;
  }

  #insertItem(
    list: YAMLSeq,
    places: ReadonlyArray<readonly [number, number]>,
    next: number,
    value: unknown,
    keyAt: number,
  ): void {
    if (list.flow === true) {
      if (places.length === 0) this.#insert(list.range![0] + 1, this.#flow(value));
      else if (next === 0) this.#insert(places[0]![0], `${this.#flow(value)}, `);
      else this.#insert(places[next - 1]![1], `, ${this.#flow(value)}`);
      return;
    }
    const column = this.#column(places[0]![0]);
    const text = `- ${this.#indented(this.#anew(value), 2)}`;
    // Right behind the key, so that a comment that stands before an item stays with it.
    if (next === 0 && this.#lineStart(keyAt) === this.#lineStart(places[0]![0])) throw new NoPlace();
    const at = this.#lineEndAt(next === 0 ? keyAt : places[next - 1]![1]);
    this.#insert(at, this.#lines(text, column));
  }

  /** `name: value` in the place of a field. */
  #writeField(map: YAMLMap, pair: Pair, name: string, as: string | { readonly value: unknown }): void {
    const from = keyStart(pair);
    const flow = map.flow === true;
    const written =
      typeof as === 'string'
        ? as
        : flow
          ? `${flowKey(name)}: ${this.#flow(as.value)}`
          : this.#anew({ [name]: as.value });
    this.#edit(from, this.#fieldEnd(map, pair), this.#indented(written, this.#column(from)));
  }

  #replaceValue(map: YAMLMap, pair: Pair, name: string, before: unknown, value: unknown): void {
    const [start, end] = [this.#valueStart(pair), this.#end(pair)];
    if (map.flow === true) {
      if (value === null) this.#edit(this.#colon(pair) + 1, end, '');
      else this.#edit(start, end, start === end ? ` ${this.#flow(value)}` : this.#flow(value));
      return;
    }
    const from = keyStart(pair);
    const isEmpty = before === null && start === end;
    const text = this.#anew({ [name]: value });
    const isBlock = text.includes('\n');
    if (isEmpty && isBlock)
      // A comment behind the key stays there.
      this.#insert(this.#lineEndAt(end), this.#lines(text.slice(text.indexOf('\n') + 1), this.#column(from)));
    else if (isEmpty) this.#insert(end, ` ${this.#anew(value)}`);
    else if (value === null && isCollection(pair.value) && pair.value.flow !== true)
      this.#edit(this.#lineEndAt(this.#colon(pair)), this.#lineEndAt(end), '');
    else if (isScalar(pair.value) && !isBlock && !this.#text.slice(start, end).includes('\n'))
      this.#edit(start, end, this.#anew(value));
    else this.#edit(from, this.#lineEndAt(end), this.#indented(text, this.#column(from)));
  }

  #add(map: YAMLMap, last: Pair | null, names: readonly string[], after: Plain): void {
    if (map.flow === true) {
      const text = names.map((name) => `${flowKey(name)}: ${this.#flow(after[name])}`).join(', ');
      if (last === null) this.#insert(map.range![0] + 1, text);
      else this.#insert(this.#end(last), `, ${text}`);
      return;
    }
    const text = this.#anew(Object.fromEntries(names.map((name) => [name, after[name]])));
    this.#insert(this.#lineEndAt(this.#end(last!)), this.#lines(text, this.#column(keyStart(last!))));
  }

  /** Takes some of those away that stand behind each other, with their lines or commas. */
  #cut(places: ReadonlyArray<readonly [number, number]>, gone: readonly boolean[], flow: boolean): void {
    const kept = gone.indexOf(false);
    if (flow && kept === -1) {
      if (places.length > 0) this.#edit(places[0]![0], places.at(-1)![1], '');
      return;
    }
    for (const [index, [from, to]] of places.entries()) {
      if (gone[index] !== true) continue;
      if (flow) {
        if (index < kept) this.#edit(from, places[index + 1]![0], '');
        else this.#edit(places[index - 1]![1], to, '');
        continue;
      }
      const start = this.#lineStart(from);
      const isFirst = this.#text.slice(start, from).trim() !== '' || start <= this.#source.from;
      if (!isFirst) this.#edit(this.#endBefore(start), this.#lineEndAt(to), '');
      else if (index < kept) this.#edit(from, places[index + 1]![0], '');
      else throw new NoPlace();
    }
  }

  /** As block text that begins in the first column, without a line end behind it. */
  #anew(value: unknown): string {
    const text = new Document(value, { version: '1.1', aliasDuplicateObjects: false }).toString({
      lineWidth: 0,
      indentSeq: this.#indentSeq,
      nullStr: '',
    });
    return text.endsWith('\n') ? text.slice(0, -1) : text;
  }

  /** In one line. */
  #flow(value: unknown): string {
    return flowText(value, this.#padded ? ' ' : '');
  }

  /** Whole lines behind another one. */
  #lines(text: string, column: number): string {
    return `\n${' '.repeat(column)}${this.#indented(text, column)}`;
  }

  /** All lines but the first. */
  #indented(text: string, column: number): string {
    return text.replaceAll(/\n(?!\n|$)/g, `\n${' '.repeat(column)}`);
  }

  #insert(at: number, text: string): void {
    this.#edit(at, at, text);
  }

  #edit(from: number, to: number, text: string): void {
    this.#edits.push({ from, to, text: text.replaceAll('\n', this.#lineEnd) });
  }

  #lineStart(at: number): number {
    return this.#text.lastIndexOf('\n', at - 1) + 1;
  }

  /** Before its line end, comments and all. */
  #lineEndAt(at: number): number {
    const found = this.#text.indexOf('\n', at);
    const end = found === -1 ? this.#text.length : found;
    return Math.max(at, this.#text[end - 1] === '\r' ? end - 1 : end);
  }

  /** Of the line before the one that starts there. */
  #endBefore(lineStart: number): number {
    return this.#text[lineStart - 2] === '\r' ? lineStart - 2 : lineStart - 1;
  }

  #column(at: number): number {
    return at - this.#lineStart(at);
  }

  #dash(itemStart: number): number {
    let at = itemStart - 1;
    while (at >= 0 && /\s/.test(this.#text[at]!)) at--;
    if (this.#text[at] !== '-') throw new NoPlace();
    return at;
  }

  #colon(pair: Pair): number {
    const key = pair.key as { readonly range?: readonly number[] | null };
    const at = this.#text.indexOf(':', key.range![1]!);
    if (at === -1 || this.#text.slice(key.range![1]!, at).trim() !== '') throw new NoPlace();
    return at;
  }

  /** Behind the colon where it is empty. */
  #valueStart(pair: Pair): number {
    return hasText(pair.value) ? nodeStart(pair.value) : this.#colon(pair) + 1;
  }

  #end(pair: Pair): number {
    return hasText(pair.value) ? this.#nodeEnd(pair.value) : this.#colon(pair) + 1;
  }

  /** Of a block map with the comment behind it: that belongs to a part of the value, which may go. */
  #fieldEnd(map: YAMLMap, pair: Pair): number {
    const end = this.#end(pair);
    return map.flow === true ? end : this.#lineEndAt(end);
  }

  /** Behind what it says: without the comments, blanks and line ends that the parser counts to it. */
  #nodeEnd(node: unknown): number {
    if (isMap(node) && node.flow !== true && node.items.length > 0) return this.#end(node.items.at(-1)!);
    if (isSeq(node) && node.flow !== true && node.items.length > 0) return this.#nodeEnd(node.items.at(-1));
    const range = (node as { readonly range?: readonly number[] | null } | null)?.range;
    if (range === undefined || range === null) throw new NoPlace();
    let end = range[1]!;
    while (end > range[0]! && /\s/.test(this.#text[end - 1]!)) end--;
    return end;
  }

  #indentsLists(): boolean {
    let indents: boolean | null = null;
    visit(this.#document, {
      Pair: (_, pair) => {
        if (!isSeq(pair.value) || pair.value.flow === true || pair.value.items.length === 0) return undefined;
        const at = pair.value.range?.[0];
        if (at === undefined) return undefined;
        indents = this.#column(at) > this.#column(keyStart(pair));
        return visit.BREAK;
      },
    });
    return indents ?? true;
  }
}

function isPlain(value: unknown): value is Plain {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function step(part: string): string | number {
  return /^\d+$/.test(part) ? Number(part) : part;
}

function nameOf({ key }: Pair): string {
  if (!isScalar(key)) throw new NoPlace();
  return String(key.value);
}

function keyStart({ key }: Pair): number {
  return nodeStart(key);
}

function nodeStart(node: unknown): number {
  const range = (node as { readonly range?: readonly number[] | null } | null)?.range;
  if (range === undefined || range === null) throw new NoPlace();
  return range[0]!;
}

function hasText(node: unknown): boolean {
  return isCollection(node) || (isScalar(node) && node.range !== undefined && node.range![0] < node.range![1]);
}

/** For each item of the list after: which one it was before, in order; -1: none. By their names, or where they have none by their number. Null: they have changed places. */
function matched(before: readonly unknown[], after: readonly unknown[]): readonly number[] | null {
  const [old, now] = [itemNames(before), itemNames(after)];
  if (old === null || now === null) return before.length === after.length ? after.map((_, index) => index) : null;
  const found = now.map((name) => old.indexOf(name));
  const there = found.filter((index) => index !== -1);
  return there.length > 0 && there.every((index, at) => at === 0 || index > there[at - 1]!) ? found : null;
}

function itemNames(list: readonly unknown[]): readonly string[] | null {
  const names = list.map((item) => (isPlain(item) && typeof item['name'] === 'string' ? item['name'] : null));
  return names.includes(null) || new Set(names).size !== names.length ? null : (names as readonly string[]);
}

/** Null: some line stands further out. */
function outdented(text: string, column: number): string | null {
  const lines = text.split('\n');
  const [first, ...rest] = lines;
  if (rest.some((line) => line.trim() !== '' && line.slice(0, column).trim() !== '')) return null;
  return [first, ...rest.map((line) => line.slice(column))].join('\n');
}

const plainWord = /^[A-Za-z/][\w./-]*$/;
const wordsOfYaml = /^(?:y|n|yes|no|on|off|true|false|null|nan|inf)$/i;

function flowKey(name: string): string {
  return plainWord.test(name) && !wordsOfYaml.test(name) ? name : JSON.stringify(name);
}

/** In one line, with that behind each { and before each }. */
function flowText(value: unknown, padding: string): string {
  if (Array.isArray(value)) return `[${value.map((each) => flowText(each, padding)).join(', ')}]`;
  if (isPlain(value)) {
    const fields = Object.entries(value).map(([name, each]) => `${flowKey(name)}: ${flowText(each, padding)}`);
    return fields.length === 0 ? '{}' : `{${padding}${fields.join(', ')}${padding}}`;
  }
  if (typeof value !== 'string') return JSON.stringify(value);
  // JSON in JSON's quotes nobody can read.
  return /["\\]/.test(value) && /^[ -&(-~]*$/.test(value) ? `'${value}'` : flowKey(value);
}
