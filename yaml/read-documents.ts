/**
 * YAML (and so JSON) text to documents, within bounds: the one place where files of users are parsed. What is nested too deep is refused while it is read, as the library, and whatever walks a value,
 * calls itself for each level. Where a field stands and what a document means is its caller's.
 */
import { Composer, type Document, LineCounter, Parser, type ScalarTag, type Tags } from 'yaml';
import { isNestedDeeper, maxNesting, nestingFault } from './nesting.ts';

/** Aliases are expanded at most this often, so that a small file cannot become a huge one. */
const maxAliasCount = 100;

/** What is no YAML, or is beyond a bound. */
export interface TextFault {
  /** From the start of the text, in UTF-16 units. */
  readonly offset: number;
  readonly message: string;
}

export interface ReadDocuments {
  /** Those with errors too; none for a text of blanks and comments. */
  readonly documents: readonly Document.Parsed[];
  /** What ended the reading: the documents that stand before it are there. */
  readonly fault: TextFault | null;
  readonly lines: LineCounter;
}

/** `kubernetes`: as kubectl reads it, by YAML 1.1 (`0644` is octal, `yes` is true, `<<` merges), but for dates and times, which are text; numbers are written back as they were. */
export type Dialect = 'yaml-1.2' | 'kubernetes';

export function readDocuments(text: string, dialect: Dialect = 'yaml-1.2'): ReadDocuments {
  const lines = new LineCounter();
  const parser = new BoundedParser(lines.addNewLine);
  const composer = new Composer({
    prettyErrors: false,
    uniqueKeys: true,
    ...(dialect === 'yaml-1.2' ? { version: '1.2' } : { version: '1.1', customTags: kubernetesTags }),
  });
  const documents: Document.Parsed[] = [];
  try {
    for (const document of composer.compose(parser.parse(text))) documents.push(document);
  } catch (error) {
    if (!(error instanceof TooDeep)) throw error;
    documents.push(...composer.end());
    return { documents, fault: { offset: error.offset, message: nestingFault }, lines };
  }
  return { documents, fault: null, lines };
}

/** What the library says of a document. Many brackets that are left open at one place are one fault. */
export function documentFaults({ errors }: Document.Parsed): readonly TextFault[] {
  const faults = new Map<string, TextFault>();
  for (const { pos, message } of errors)
    faults.set(`${pos[0]} ${message}`, { offset: pos[0], message: message.replace(/\s+/g, ' ').trim() });
  return [...faults.values()];
}

/** The plain value of a document without errors. Throws an Error in words when its aliases grow without end, or it is nested too deep by them. */
export function documentValue(document: Document.Parsed): unknown {
  const value: unknown = document.toJS({ maxAliasCount });
  if (isNestedDeeper(value)) throw new Error(nestingFault);
  return value;
}

function kubernetesTags(tags: Tags): Tags {
  return tags
    .filter((tag) => typeof tag === 'string' || !(tag.tag === 'tag:yaml.org,2002:timestamp' || tag.format === 'TIME'))
    .map((tag) => {
      if (typeof tag === 'string' || !/:(?:int|float)$/.test(tag.tag)) return tag;
      const number = tag as ScalarTag;
      return {
        ...number,
        stringify: (item, ...others) => item.source ?? number.stringify?.(item, ...others) ?? String(item.value),
      } satisfies ScalarTag;
    });
}

class TooDeep extends Error {
  readonly offset: number;

  constructor(offset: number) {
    super(nestingFault);
    this.offset = offset;
  }
}

/** It knows no recursion itself: its stack holds what is open where it reads. */
class BoundedParser extends Parser {
  override *next(source: string): ReturnType<Parser['next']> {
    yield* super.next(source);
    if (this.stack.length <= maxNesting) return;
    const tooDeep = this.stack.filter(isCollection)[maxNesting];
    if (tooDeep !== undefined) throw new TooDeep(tooDeep.offset);
  }
}

function isCollection({ type }: { readonly type: string }): boolean {
  return type === 'block-map' || type === 'block-seq' || type === 'flow-collection';
}
