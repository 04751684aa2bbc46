/** One YAML (or JSON) file with any number of documents → resources, and every fault with its line and column. Reads no disk. */
import { type Document, isScalar } from 'yaml';
import { fieldOffset } from '../../yaml/field-offset.ts';
import { documentFaults, documentValue, readDocuments } from '../../yaml/read-documents.ts';
import { parseDocument } from '../config-kind/kind.ts';
import { referencePaths } from '../config-kind/reference-paths.ts';
import type { Place, Resource } from '../config-kind/resource.ts';
import { pathText, type SchemaFault } from '../config-kind/schema-fault.ts';
import type { Fault } from './fault.ts';

/** More than this is refused before it is parsed. */
export const maxFileBytes = 16 * 1024 * 1024;

export interface ParsedFile {
  readonly resources: readonly Resource[];
  readonly faults: readonly Fault[];
  /** `Kind namespace/name` of documents that have faults; '' : one whose name nobody knows. */
  readonly broken: readonly string[];
}

export function parseFile(file: string, text: string): ParsedFile {
  const { documents, fault, lines } = readDocuments(text);
  const resources: Resource[] = [];
  const faults: Fault[] = [];
  const broken: string[] = [];
  const at = (offset: number): Place => {
    const { line, col } = lines.linePos(offset);
    return { file, line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  for (const document of documents) {
    const wrong = documentFaults(document);
    if (wrong.length > 0) {
      for (const { offset, message } of wrong)
        faults.push({ ...at(offset), path: '', message: `is not YAML: ${message}` });
      broken.push('');
      continue;
    }
    if (document.contents === null || (isScalar(document.contents) && document.contents.value === null)) continue;
    const name = readDocument(document, at, resources, faults);
    if (name !== null) broken.push(name);
  }
  if (fault !== null) {
    faults.push({ ...at(fault.offset), path: '', message: fault.message });
    broken.push('');
  }
  return { resources, faults, broken };
}

/** Null when it is good; else what its name seems to be. */
function readDocument(
  document: Document.Parsed,
  at: (offset: number) => Place,
  resources: Resource[],
  faults: Fault[],
): string | null {
  const start = at(document.contents?.range[0] ?? 0);
  let value: unknown;
  try {
    value = documentValue(document);
  } catch (error) {
    faults.push({ ...start, path: '', message: `cannot be read: ${(error as Error).message}` });
    return '';
  }
  const result = parseDocument(value, start);
  if ('faults' in result) {
    const found = result.faults.map((fault: SchemaFault) => ({
      ...at(fieldOffset(document, fault.path)),
      path: pathText(fault.path),
      message: fault.message,
    }));
    faults.push(...found.toSorted((a, b) => a.line - b.line || a.column - b.column));
    return nameOf(value);
  }
  resources.push(withReferencePlaces(result.resource, document, at));
  return null;
}

/** `Kind namespace/name` of a document that is no resource; '' when it does not say. */
function nameOf(document: unknown): string {
  const { kind, metadata } = (document ?? {}) as { readonly kind?: unknown; readonly metadata?: unknown };
  const { namespace = 'default', name } = (metadata ?? {}) as { readonly namespace?: unknown; readonly name?: unknown };
  return typeof kind === 'string' && typeof name === 'string' && typeof namespace === 'string'
    ? `${kind} ${namespace}/${name}`
    : '';
}

/** Notes where the references of a resource stand, while the document is at hand. */
function withReferencePlaces(resource: Resource, document: Document.Parsed, at: (offset: number) => Place): Resource {
  const paths = referencePaths(resource);
  return paths.length === 0
    ? resource
    : { ...resource, referencePlaces: new Map(paths.map((keys) => [pathText(keys), at(fieldOffset(document, keys))])) };
}
