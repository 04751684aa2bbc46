/**
 * Formats with Envoy's command operators (`%REQ(:METHOD)%`, `%RESP(X):10%`), compiled once. Unknown ones are a fault of the configuration. A value that is absent is `-` in text and null in JSON, or
 * left out with `omit_empty_values`; a JSON string that is one operator keeps its number (Envoy). What the operators are: log-operators.ts.
 */
import type { JsonFormatConfig } from '../config/access-log-config.ts';
import { quoteJson, withoutControls } from './escape.ts';
import type { LineBuffer } from './line-buffer.ts';
import { LineMember } from './line-member.ts';
import { LineText } from './line-text.ts';
import { logOperators } from './log-operators.ts';
import type { LogRecord } from './log-record.ts';
import { type LogValue, type Operator, textOf } from './log-value.ts';

export type TextFormat = (record: LogRecord) => string;
/** Null: absent. */
export type ValueFormat = (record: LogRecord) => LogValue;
/** Writes JSON. */
export type JsonFormat = (record: LogRecord, out: LineBuffer) => void;

type Piece = string | Operator;

/** What operators find is on one line; the format's own tabs and line breaks stay. Throws an Error that names the operator that is not supported. */
export function compileTextFormat(format: string, omitEmpty = false): TextFormat {
  return joined(piecesOf(format), omitEmpty ? '' : '-', withoutControls);
}

/** A format in the place of a value: one that is a single operator gives what that found. */
export function compileValueFormat(format: string, omitEmpty = false): ValueFormat {
  const pieces = piecesOf(format);
  const [only] = pieces;
  if (pieces.length === 1 && typeof only === 'function') return only;
  return joined(pieces, omitEmpty ? '' : '-', asItIs);
}

/** Throws as compileTextFormat(). */
export function compileJsonFormat(format: JsonFormatConfig, omitEmpty: boolean): JsonFormat {
  const write = jsonWriter('', format, omitEmpty);
  return (record, out) => void write(record, out, true);
}

/** Writes a member of an object or list; all but the first have a comma before them. False: it is left out, and nothing is written. */
type JsonWriter = (record: LogRecord, out: LineBuffer, first: boolean) => boolean;

/** `name`: with its colon; '': of what has none. */
function jsonWriter(name: string, format: JsonFormatConfig, omitEmpty: boolean): JsonWriter {
  if (typeof format === 'string') return valueWriter(name, format, omitEmpty);
  if (typeof format !== 'object' || format === null) {
    if (format === null && omitEmpty) return () => false;
    const text = memberTexts(name, JSON.stringify(format));
    return (_, out, first) => {
      out.text(first ? text.first : text.later);
      return true;
    };
  }
  if ('list' in format)
    return membersWriter(
      memberTexts(name, '['),
      format.list.map((item) => jsonWriter('', item, omitEmpty)),
      new LineText(']'),
    );
  return membersWriter(
    memberTexts(name, '{'),
    format.fields.map(([each, value]) => jsonWriter(`${quoteJson(each)}:`, value, omitEmpty)),
    new LineText('}'),
  );
}

function memberTexts(name: string, value: string): { readonly first: LineText; readonly later: LineText } {
  return { first: new LineText(`${name}${value}`), later: new LineText(`,${name}${value}`) };
}

function valueWriter(name: string, format: string, omitEmpty: boolean): JsonWriter {
  const value = compileValueFormat(format, omitEmpty);
  const asFirst = new LineMember(name);
  const asLater = new LineMember(`,${name}`);
  return (record, out, first) => {
    const found = value(record);
    if (found === null && omitEmpty) return false;
    const member = first ? asFirst : asLater;
    if (typeof found === 'string') member.string(out, found);
    else if (typeof found === 'number') member.number(out, found);
    else if (found === null) member.null(out);
    else member.json(out, typeof found === 'object' ? found.json : String(found));
    return true;
  };
}

function membersWriter(
  open: { readonly first: LineText; readonly later: LineText },
  writers: readonly JsonWriter[],
  close: LineText,
): JsonWriter {
  return (record, out, first) => {
    out.text(first ? open.first : open.later);
    let none = true;
    for (let i = 0; i < writers.length; i++) if (writers[i]!(record, out, none)) none = false;
    out.text(close);
    return true;
  };
}

function joined(pieces: readonly Piece[], absent: string, escape: (text: string) => string): TextFormat {
  return (record) => {
    let text = '';
    for (const piece of pieces) text += typeof piece === 'string' ? piece : escape(textOf(piece(record), absent));
    return text;
  };
}

function asItIs(text: string): string {
  return text;
}

const operatorPattern = /%([A-Z_0-9]+)(?:\(([^)]*)\))?(?::(\d+))?%|%%/g;

function piecesOf(format: string): readonly Piece[] {
  const pieces: Piece[] = [];
  let at = 0;
  for (const match of format.matchAll(operatorPattern)) {
    literal(pieces, format.slice(at, match.index));
    at = match.index + match[0].length;
    if (match[0] === '%%') pieces.push('%');
    else pieces.push(limited(operator(match[0], match[1]!, match[2]), match[3]));
  }
  literal(pieces, format.slice(at));
  return pieces;
}

function literal(pieces: Piece[], text: string): void {
  if (text.includes('%')) throw new Error(`${JSON.stringify(text)} has a command operator that is not supported`);
  if (text !== '') pieces.push(text);
}

function operator(whole: string, name: string, argument: string | undefined): Operator {
  const kind = Object.hasOwn(logOperators, name) ? logOperators[name] : undefined;
  if (kind === undefined) throw new Error(`${whole} is not supported`);
  const { takes } = kind;
  if (takes === '' && argument !== undefined && argument !== '')
    throw new Error(`${whole} is not supported: ${name} takes nothing in parentheses`);
  if (takes !== '' && !takes.endsWith('?') && argument === undefined)
    throw new Error(`${whole} is not supported: it needs ${takes} in parentheses`);
  try {
    return kind.make(argument ?? '');
  } catch (error) {
    throw new Error(`${whole} is not supported: ${(error as Error).message}`, { cause: error });
  }
}

/** Objects are not cut (Envoy). */
function limited(piece: Operator, length: string | undefined): Operator {
  if (length === undefined) return piece;
  const most = Number(length);
  return (record) => {
    const value = piece(record);
    return value === null || typeof value === 'object' ? value : String(value).slice(0, most);
  };
}
