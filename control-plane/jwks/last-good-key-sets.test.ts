import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { LastGoodKeySets } from './last-good-key-sets.ts';

const good =
  '{"keys":[{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}';
let folder: string;
let warnings: string[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'outrigger-keys-'));
  warnings = [];
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const keySets = (): LastGoodKeySets =>
  new LastGoodKeySets(
    folder,
    pino({}, { write: (line: string) => void warnings.push((JSON.parse(line) as { msg: string }).msg) }),
  );
const file = (): string => join(folder, 'last-good-key-sets.json');

test('what was good comes back, by its source, and nobody else reads it', () => {
  expect([...keySets().load()]).toEqual([]);
  keySets().save(new Map([['https://i/', good]]));
  expect([...keySets().load()]).toEqual([['https://i/', good]]);
  expect(statSync(file()).mode & 0o777).toBe(0o600);
  expect(warnings).toEqual([]);
});

test('a set that is not good by now is left out; a file that is none is told of', () => {
  keySets().save(
    new Map([
      ['a', '{"keys":[]}'],
      ['b', good],
    ]),
  );
  expect([...keySets().load().keys()]).toEqual(['b']);
  writeFileSync(file(), readFileSync(file(), 'utf8').slice(0, 20));
  expect([...keySets().load()]).toEqual([]);
  expect(warnings).toEqual([expect.stringContaining(`cannot use ${file()}`)]);
});

test('without a data directory nothing is kept', () => {
  const none = new LastGoodKeySets(null, pino({ enabled: false }));
  none.save(new Map([['b', good]]));
  expect([...none.load()]).toEqual([]);
});
