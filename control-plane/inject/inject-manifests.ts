/** Manifests as text in, the same with what was asked for out: every document of a file, with its comments and order where it can be, and those that nothing is changed in word for word. Reads no files. */
import { editedText, fieldTexts } from '../../yaml/edited-text.ts';
import { fieldOffset } from '../../yaml/field-offset.ts';
import { pointerParts } from '../../yaml/json-pointer.ts';
import { type DocumentChange, patchedText } from '../../yaml/patch-document.ts';
import { documentFaults, documentValue, readDocuments } from '../../yaml/read-documents.ts';
import type { PatchedDocument, Told } from './inject-document.ts';
import { applyPatch } from './json-patch.ts';
import type { TextOf } from './kept-texts.ts';

export interface ManifestFile {
  /** As the user knows it. */
  readonly name: string;
  readonly text: string;
}

export interface ChangedManifests {
  /** Each document by itself, without `---` where it had none. */
  readonly documents: readonly ChangedManifest[];
  readonly told: readonly Told[];
  /** What could not be read: then nothing is to be used. */
  readonly faults: readonly string[];
}

export interface ChangedManifest {
  readonly text: string;
  readonly value: unknown;
}

/** What is to come of a document's value; its fields may be asked for as they are written. */
export type DocumentChangeOf = (document: unknown, textOf: TextOf) => PatchedDocument;

export function changeManifests(files: readonly ManifestFile[], change: DocumentChangeOf): ChangedManifests {
  const documents: ChangedManifest[] = [];
  const told: Told[] = [];
  const faults: string[] = [];
  for (const file of files) changeFile(file, change, { documents, told, faults });
  return { documents, told, faults };
}

function changeFile(
  { name, text }: ManifestFile,
  change: DocumentChangeOf,
  to: { readonly documents: ChangedManifest[]; readonly told: Told[]; readonly faults: string[] },
): void {
  const { documents, fault, lines } = readDocuments(text, 'kubernetes');
  const at = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${name}:${line}:${col}`;
  };
  for (const { offset, message } of [...documents.flatMap(documentFaults), ...(fault === null ? [] : [fault])])
    to.faults.push(`${at(offset)}: ${message}`);
  if (to.faults.length > 0) return;
  let end = 0;
  for (const document of documents) {
    const place = { text, from: end, to: document.range[2] };
    const source = text.slice(place.from, place.to);
    end = document.range[2];
    let value: unknown;
    try {
      value = documentValue(document);
    } catch (error) {
      to.faults.push(`${at(document.range[0])}: ${(error as Error).message}`);
      continue;
    }
    // Comments and blanks only.
    if (value === null) {
      to.documents.push({ text: source, value: undefined });
      continue;
    }
    const textsOf = fieldTexts(document, place);
    const textOf: TextOf = (path) => {
      const parts = pointerParts(path);
      return textsOf(parts, valueAt(value, parts));
    };
    const { operations, told, texts } = change(value, textOf);
    const where = at(fieldOffset(document, []));
    for (const { kind, line } of told) to.told.push({ kind, line: `${where}: ${line}` });
    if (operations.length === 0) {
      to.documents.push({ text: source, value });
      continue;
    }
    const patched = applyPatch(value, operations);
    const edited = editedText(document, place, value, patched, texts);
    if (edited !== null) {
      to.documents.push({ text: edited, value: patched });
      continue;
    }
    const changes = operations.map(
      (operation): DocumentChange => ({ ...operation, path: pointerParts(operation.path) }),
    );
    const written = patchedText(document, changes, patched, source);
    if (!written.kept && !/^\s*\{/.test(source))
      to.told.push({
        kind: 'warning',
        line: `${where}: is written anew, without its comments, as parts of it stand for others (aliases)`,
      });
    to.documents.push({ text: written.text, value: patched });
  }
  if (end < text.length && documents.length > 0) to.documents.push({ text: text.slice(end), value: undefined });
}

function valueAt(value: unknown, path: readonly string[]): unknown {
  let found = value;
  for (const part of path) found = (found as Readonly<Record<string, unknown>> | null)?.[part];
  return found;
}

/** All documents as one text that kubectl takes. */
export function manifestsText(documents: readonly ChangedManifest[], format: 'yaml' | 'json'): string {
  const values = documents.flatMap(({ value }) => (value === undefined ? [] : [value]));
  if (format === 'json') {
    const value = values.length === 1 ? values[0] : { apiVersion: 'v1', kind: 'List', items: values };
    return `${JSON.stringify(value, null, 2)}\n`;
  }
  let text = '';
  for (const { text: next, value } of documents) {
    if (value === undefined && next.trim() === '') continue;
    if (text !== '' && !text.endsWith('\n')) text += '\n';
    const starts = /^(?:\s*(?:#[^\n]*)?\n)*(?:---|%)/.test(next);
    text += text === '' || starts || value === undefined ? next : `---\n${next}`;
  }
  return text;
}
