/** Starting beside a broken file: what was good before the restart goes on, and without it every fault is said to be uncovered. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { SourceState } from './configuration-files.ts';
import { FileSource } from './file-source.ts';
import { LastGoodFiles } from './last-good-files.ts';

let folder: string;
let dataDir: string;
let wallMs: number;
let logged: string[];

beforeEach(() => {
  const base = mkdtempSync(join(tmpdir(), 'outrigger-last-good-'));
  folder = join(base, 'mesh');
  dataDir = join(base, 'data');
  mkdirSync(folder);
  wallMs = Date.UTC(2026, 0, 1, 12);
  logged = [];
});
afterEach(() => rmSync(join(folder, '..'), { recursive: true, force: true }));

const service = (name: string, port = 80): string =>
  `apiVersion: outrigger.dev/v1\nkind: Service\nmetadata: { name: ${name}, namespace: shop }\nspec:\n  ports: [{ port: ${port} }]\n`;

const write = (name: string, text: string): void => writeFileSync(join(folder, name), text);

/** Starts, and ends at once: what the files say, as a control plane that starts now finds it. `change`: while it runs. */
function start(change: (() => void) | null = null, dir: string | null = dataDir): SourceState {
  let rescan = (): void => {};
  let nowMs = 0;
  const log = pino({ level: 'warn', base: null }, { write: (line) => void logged.push(line) });
  const source = new FileSource([folder], {
    clock: {
      after: (delayMs, callback) => {
        if (delayMs >= 500) rescan = callback;
        return () => {};
      },
      nowMs: () => nowMs,
      wallMs: () => wallMs,
    },
    lastGood: new LastGoodFiles(dir, log),
    onChange: () => {},
  });
  source.start();
  if (change !== null) {
    change();
    rescan();
    // A change without an event is believed at the second look.
    nowMs += 500;
    rescan();
  }
  source.close();
  return source.state;
}

const ports = (state: SourceState): string[] =>
  state.resources.map((resource) => `${resource.name}:${resource.kind === 'Service' ? resource.ports[0]!.port : ''}`);

describe('a start beside a broken file', () => {
  test('goes on with the last good content of that very file, and says from when it is', () => {
    write('a.yaml', service('a'));
    write('b.yaml', service('b'));
    start();
    wallMs += 60_000;
    write('a.yaml', `${service('a', 81)}  oops: 1\n`);
    write('b.yaml', service('b', 90));
    const state = start();
    expect(ports(state)).toEqual(['a:80', 'b:90']);
    expect(state.faults).toMatchObject([
      { covered: true, meanwhile: 'the last good content, of 2026-01-01T12:00:00.000Z, stays in force' },
    ]);
  });

  test('has nothing for a file that was never good, or without a data directory', () => {
    write('a.yaml', service('a'));
    start();
    start(null, null);
    write('b.yaml', 'kind: [');
    expect(start().faults).toMatchObject([{ covered: false, meanwhile: expect.stringContaining('no last good') }]);
    write('a.yaml', 'kind: [');
    expect(start(null, null).faults.map(({ covered }) => covered)).toEqual([false, false]);
  });

  test('after a second restart still has it, as of the time when it was first read', () => {
    write('a.yaml', service('a'));
    start();
    wallMs += 60_000;
    start();
    write('a.yaml', 'kind: [');
    start();
    expect(start()).toMatchObject({
      resources: [{ name: 'a' }],
      faults: [{ meanwhile: expect.stringContaining('12:00:00') }],
    });
  });

  test('forgets a file that was deleted meanwhile, and what it said', () => {
    write('a.yaml', service('a'));
    write('b.yaml', service('b'));
    start();
    rmSync(join(folder, 'a.yaml'));
    expect(ports(start())).toEqual(['b:80']);
    write('a.yaml', 'kind: [');
    expect(start().faults).toMatchObject([{ covered: false }]);
  });

  test('keeps which of two resources of one name is in force', () => {
    write('b.yaml', service('a', 1));
    start();
    write('a.yaml', service('a', 2));
    expect(start()).toMatchObject({ resources: [{ ports: [{ port: 1 }] }], faults: [{ covered: true }] });
    expect(start()).toMatchObject({ resources: [{ ports: [{ port: 1 }] }], faults: [{ covered: true }] });
  });

  test('without a word of before, two resources of one name are not covered', () => {
    write('a.yaml', `${service('a', 1)}---\n${service('a', 2)}`);
    expect(start().faults).toMatchObject([{ covered: false }]);
  });

  test('takes a store that is damaged, or of another version, for none, and says so', () => {
    mkdirSync(dataDir);
    for (const text of ['[{', '{"format":2}', 'null']) {
      writeFileSync(join(dataDir, 'last-good-configuration.json'), text);
      logged = [];
      write('a.yaml', 'kind: [');
      expect(start().faults).toMatchObject([{ covered: false }]);
      expect(logged.join()).toContain('last-good-configuration.json');
    }
  });
});

test('what is good is kept after each read, whole, in one file', () => {
  write('a.yaml', service('a'));
  start(() => write('a.yaml', service('a', 8080)));
  expect(readdirSync(dataDir)).toEqual(['last-good-configuration.json']);
  expect(JSON.parse(readFileSync(join(dataDir, 'last-good-configuration.json'), 'utf8'))).toMatchObject({
    files: [[join(folder, 'a.yaml'), service('a', 8080), wallMs]],
  });
});
