/** What `outrigger inject` makes is what Kubernetes takes, by the schemas of the oldest release with native sidecars and of the newest: every fixture, injected and uninjected again. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { documentValue, readDocuments } from '../../yaml/read-documents.ts';
import { expectValid } from './kubernetes-schemas.ts';
import { outriggerProgram } from './programs.ts';

const fixtures = join(import.meta.dirname, '../../control-plane/inject/fixtures');
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'outrigger-validate-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function outrigger(words: readonly string[], input = ''): string {
  const { status, stdout, stderr } = spawnSync(outriggerProgram, words, { input, encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  return stdout;
}

interface Resource {
  readonly apiVersion: string;
  readonly kind: string;
  readonly items?: readonly Resource[];
}

/** Of Kubernetes' own groups, each by itself: there are no schemas for lists of mixed kinds. */
function resources(text: string): readonly Resource[] {
  const flat = (each: Resource): readonly Resource[] => each.items?.flatMap(flat) ?? [each];
  return readDocuments(text, 'kubernetes')
    .documents.map((document) => documentValue(document) as Resource)
    .flatMap(flat)
    .filter(({ apiVersion }) => !apiVersion.startsWith('example.com/'));
}

function validate(name: string, text: string): void {
  const files = resources(text).map((resource, index) => {
    const file = join(folder, `${name}-${index}.json`);
    writeFileSync(file, JSON.stringify(resource));
    return file;
  });
  expect(files.length).toBeGreaterThan(0);
  expectValid(files);
}

test.each(readdirSync(fixtures).filter((name) => /^[a-z-]+\.yaml$/.test(name)))(
  'fixtures/%s, injected, is valid',
  (name) => {
    const injected = outrigger(['inject', '-f', join(fixtures, name)]);
    validate(`injected-${name}`, injected);
    validate(`uninjected-${name}`, outrigger(['uninject', '-f', '-'], injected));
    validate(`json-${name}`, outrigger(['inject', '-f', join(fixtures, name), '-o', 'json']));
  },
);

test('so is what registers the webhook', () => {
  const file = join(folder, 'roots.pem');
  writeFileSync(file, '-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n');
  validate('webhook', outrigger(['webhook', '--trust-bundle', file]));
  validate(
    'webhook-url',
    outrigger([
      'webhook',
      '--trust-bundle',
      file,
      '--url',
      'https://10.0.0.9:15017',
      '--failure-policy',
      'Ignore',
      '-o',
      'json',
    ]),
  );
});
