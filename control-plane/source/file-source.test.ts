import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { SourceState } from './configuration-files.ts';
import { faultText } from './fault.ts';
import { FileSource } from './file-source.ts';
import type { SourceClock } from './source-clock.ts';
import { validatePaths } from './validate-paths.ts';

/** Timers that fire when a test says so. */
class HeldClock implements SourceClock {
  #timers: Array<{ readonly delayMs: number; readonly callback: () => void }> = [];
  #waiting: Array<{ readonly delayMs: number; readonly resolve: () => void }> = [];

  after(delayMs: number, callback: () => void): () => void {
    const timer = { delayMs, callback };
    this.#timers.push(timer);
    for (const waiter of this.#waiting) if (waiter.delayMs === delayMs) waiter.resolve();
    return () => void (this.#timers = this.#timers.filter((each) => each !== timer));
  }

  #nowMs = 0;

  /** Fires every timer of this delay, which has passed then. */
  fire(delayMs: number): void {
    this.#nowMs += delayMs;
    const due = this.#timers.filter((timer) => timer.delayMs === delayMs);
    this.#timers = this.#timers.filter((timer) => timer.delayMs !== delayMs);
    for (const { callback } of due) callback();
  }

  nowMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return 0;
  }

  pendingOf(delayMs: number): number {
    return this.#timers.filter((timer) => timer.delayMs === delayMs).length;
  }

  get pending(): number {
    return this.#timers.length;
  }

  /** Resolves when a timer of this delay is set. */
  armed(delayMs: number): Promise<void> {
    if (this.#timers.some((timer) => timer.delayMs === delayMs)) return Promise.resolve();
    return new Promise((resolve) => void this.#waiting.push({ delayMs, resolve }));
  }
}

const debounceMs = 50;
const rescanMs = 5_000;
const settleMs = 500;
let folder: string;
let clock: HeldClock;
let source: FileSource | null;
let changes: SourceState[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'outrigger-source-'));
  clock = new HeldClock();
  source = null;
  changes = [];
});

afterEach(() => {
  source?.close();
  rmSync(folder, { recursive: true, force: true });
});

const service = (name: string, port = 80): string =>
  `apiVersion: outrigger.dev/v1\nkind: Service\nmetadata: { name: ${name}, namespace: shop }\nspec:\n  ports: [{ port: ${port} }]\n`;

function write(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

function start(paths: readonly string[] = [folder]): SourceState {
  source = new FileSource(paths, { clock, onChange: (state) => void changes.push(state) });
  return source.start();
}

/** A look without an event finds a change, and the next one finds it unchanged. */
function rescan(): void {
  clock.fire(rescanMs);
  clock.fire(settleMs);
}

/** Waits for events of the file system, and lets the time pass that must be quiet after them. */
async function quietLook(): Promise<void> {
  await clock.armed(debounceMs);
  clock.fire(debounceMs);
}

function names(state: SourceState): string[] {
  return state.resources.map(({ name }) => name);
}

function texts(state: SourceState): string[] {
  return state.faults.map((fault) => faultText(fault).replace(`${folder}/`, ''));
}

describe('reading', () => {
  test('takes files of several documents, in folders below, and leaves other and hidden files out', () => {
    mkdirSync(join(folder, 'deep/..data'), { recursive: true });
    write('a.yaml', `# only a comment\n---\n${service('a')}---\n${service('b')}`);
    write('deep/c.yml', service('c'));
    write('deep/..data/x.yaml', service('x'));
    write('notes.txt', 'not: [yaml');
    write(
      'd.json',
      '{"apiVersion":"outrigger.dev/v1","kind":"Service","metadata":{"name":"d"},"spec":{"ports":[{"port":1}]}}',
    );
    symlinkSync(folder, join(folder, 'deep/loop'));
    const state = start();
    expect(names(state)).toEqual(['a', 'b', 'd', 'c']);
    expect(state.faults).toEqual([]);
  });

  test('names file, line and column of every fault (voice.md, Errors)', () => {
    write(
      'orders.yaml',
      `${service('a')}---\napiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: { name: r, namespace: shop }\nspec:\n  parentRefs: [{ kind: Service, group: "", name: a }]\n  rules:\n    - timeouts:\n        request: 2sec\n      backendRefs: [{ name: a }]\n`,
    );
    expect(texts(start())).toEqual([
      'orders.yaml:14:9: spec.rules[0].timeouts.request: "2sec" is not a duration; write it as 2s or 2000ms',
      'orders.yaml:15:21: spec.rules[0].backendRefs[0].port: is missing; a whole number from 1 to 65535 is expected',
    ]);
  });

  test('names the place where a file stops being YAML', () => {
    write('broken.yaml', 'kind: Service\nmetadata: [\n');
    expect(texts(start())).toEqual([expect.stringMatching(/^broken\.yaml:3:1: is not YAML: Flow sequence/)]);
  });

  test('a duplicate names both places, and the one in force stays', () => {
    write('b.yaml', service('a', 1));
    start();
    write('a.yaml', service('a', 2));
    rescan();
    expect(texts(source!.state)).toEqual([
      expect.stringMatching(
        /^a\.yaml:1:1: metadata\.name: Service shop\/a stands at .*b\.yaml:1:1 too; remove one of them/,
      ),
    ]);
    expect(source!.state.resources).toMatchObject([{ ports: [{ port: 1 }] }]);
  });

  test('aliases that would grow without end, and deep nesting, are refused in one line each (hardening.md, configuration as attack)', () => {
    const bomb = [
      'a: &a [x, x, x, x, x, x, x, x, x, x]',
      ...'bcdefgh'
        .split('')
        .map((name, at) => `${name}: &${name} [${Array.from({ length: 10 }, () => `*${'abcdefg'[at]}`).join(', ')}]`),
    ].join('\n');
    write('bomb.yaml', bomb);
    write('deep.yaml', '['.repeat(20_000));
    const state = start();
    expect(texts(state)).toEqual([
      expect.stringMatching(/^bomb\.yaml:1:1: cannot be read: Excessive alias count/),
      expect.stringMatching(/^deep\.yaml:1:\d+: is nested too deep: more than 100 maps and lists/),
    ]);
  });

  test('a path that does not exist is a fault of its own', () => {
    expect(texts(start([join(folder, 'nothing.yaml')]))).toEqual(['nothing.yaml: there is no such file or folder']);
  });

  test('a reference to what is not there is a warning at its place', () => {
    write(
      'r.yaml',
      `apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: { name: r, namespace: shop }\nspec:\n  parentRefs: [{ kind: Service, group: "", name: gone }]\n  rules:\n    - backendRefs:\n        - { name: gone, port: 80 }\n`,
    );
    expect(start().warnings.map((warning) => faultText(warning).replace(`${folder}/`, ''))).toEqual([
      'r.yaml:5:16: spec.parentRefs[0]: there is no Service shop/gone; the route has no effect there',
      'r.yaml:8:11: spec.rules[0].backendRefs[0]: there is no Service shop/gone; requests for it are answered 500',
    ]);
  });
});

describe('changes', () => {
  test('a broken file keeps its last good content, tells its faults, and recovers', () => {
    const path = write('a.yaml', service('a'));
    const first = start();
    writeFileSync(path, 'kind: [');
    rescan();
    expect(changes).toHaveLength(1);
    expect(changes[0]!.resources).toBe(first.resources);
    expect(changes[0]!.faults.length).toBeGreaterThan(0);
    rescan();
    expect(changes).toHaveLength(1);
    writeFileSync(path, service('a', 81));
    rescan();
    expect(changes[1]!.faults).toEqual([]);
    expect(changes[1]!.resources).toMatchObject([{ ports: [{ port: 81 }] }]);
  });

  test('unchanged files keep the identity of their resources, and an unchanged text tells nothing', () => {
    write('a.yaml', service('a'));
    const path = write('b.yaml', service('b'));
    const first = start();
    writeFileSync(path, service('b'));
    rescan();
    expect(changes).toEqual([]);
    writeFileSync(path, service('b', 2));
    rescan();
    expect(changes[0]!.resources[0]).toBe(first.resources[0]);
    expect(changes[0]!.resources[1]).not.toBe(first.resources[1]);
  });

  test('a deleted file takes its content along; a folder that vanished does not', () => {
    write('a.yaml', service('a'));
    const path = write('b.yaml', service('b'));
    start();
    unlinkSync(path);
    rescan();
    expect(names(source!.state)).toEqual(['a']);
    rmSync(folder, { recursive: true });
    rescan();
    expect(names(source!.state)).toEqual(['a']);
    expect(source!.state.faults).toMatchObject([{ message: 'there is no such file or folder' }]);
  });

  test('a file that turns into a link without an end keeps its content, and so do those beside it', () => {
    const path = write('a.yaml', service('a'));
    write('z.yaml', service('z'));
    start();
    unlinkSync(path);
    symlinkSync('a.yaml', path);
    rescan();
    expect(names(source!.state)).toEqual(['z', 'a']);
    expect(source!.state.faults).toMatchObject([{ file: path, covered: true }]);
  });

  test("an editor's save by renaming is seen at once, for a file given by name too", async () => {
    const path = write('a.yaml', service('a'));
    start([path]);
    write('.a.yaml.swp', service('a', 99));
    renameSync(join(folder, '.a.yaml.swp'), path);
    await clock.armed(debounceMs);
    clock.fire(debounceMs);
    expect(changes[0]!.resources).toMatchObject([{ ports: [{ port: 99 }] }]);
  });

  test('a folder made later is watched as well', async () => {
    start();
    mkdirSync(join(folder, 'new'));
    await clock.armed(debounceMs);
    clock.fire(debounceMs);
    write('new/a.yaml', service('a'));
    await clock.armed(debounceMs);
    clock.fire(debounceMs);
    expect(names(source!.state)).toEqual(['a']);
  });

  test.each([
    ['emptied', ''],
    ['cut in a document', service('a').slice(0, -12)],
    ['cut between documents', service('a')],
    ['without one of its resources', `${service('a')}---\n${service('c')}${'#'.repeat(200)}`],
  ])('a file that is %s, and whole again a moment later, takes nothing away', async (_how, half) => {
    const whole = `${service('a')}---\n${service('b')}`;
    const path = write('a.yaml', whole);
    start();
    writeFileSync(path, half);
    await quietLook();
    expect(names(source!.state)).toEqual(['a', 'b']);
    writeFileSync(path, `${whole}---\n${service('d')}`);
    await quietLook();
    clock.fire(settleMs);
    clock.fire(settleMs);
    expect(names(source!.state)).toEqual(['a', 'b', 'd']);
    expect(changes.map((state) => [names(state), texts(state)])).toEqual([[['a', 'b', 'd'], []]]);
  });

  test('a file that lost something is believed when it is the same at a second look', async () => {
    const path = write('a.yaml', `${service('a')}---\n${service('b')}`);
    start();
    writeFileSync(path, service('a'));
    await quietLook();
    expect(changes).toEqual([]);
    clock.fire(settleMs);
    expect(names(source!.state)).toEqual(['a']);
    writeFileSync(path, '');
    await quietLook();
    clock.fire(settleMs);
    expect(names(source!.state)).toEqual([]);
    expect(clock.pendingOf(settleMs)).toBe(0);
  });

  test('a file that is written all the time is not read before it rests', async () => {
    const path = write('a.yaml', service('a'));
    start();
    for (let i = 1; i <= 5; i++) {
      // Longer every time, and no moment of quiet.
      writeFileSync(
        path,
        service('a') +
          service('b')
            .slice(0, 20 * i)
            .replace(/^/, '---\n'),
      );
      clock.fire(rescanMs);
      clock.fire(settleMs / 2);
      expect(changes).toEqual([]);
    }
    writeFileSync(path, `${service('a')}---\n${service('b')}`);
    rescan();
    expect(changes.map(names)).toEqual([['a', 'b']]);
  });

  test('events without end put the look off, but not for ever; what is read then is read twice', async () => {
    write('a.yaml', service('a'));
    start();
    write('a.yaml', service('a', 81));
    for (let i = 0; i < 40; i++) {
      await clock.armed(debounceMs);
      write('busy.log', String(i));
      await new Promise((resolve) => setImmediate(resolve));
    }
    clock.fire(debounceMs);
    clock.fire(settleMs);
    expect(changes.at(-1)?.resources).toMatchObject([{ ports: [{ port: 81 }] }]);
  });

  test('close leaves no timer behind', () => {
    start();
    source!.close();
    expect(clock.pending).toBe(0);
  });
});

describe('validate', () => {
  test('says the same as the running source, and how much it read', () => {
    write('a.yaml', service('a'));
    write('b.yaml', service('B'));
    const result = validatePaths([folder], () => 0);
    expect(result).toMatchObject({ files: 2, resources: 1, warnings: [] });
    expect(result.faults.map(faultText)[0]).toMatch(/b\.yaml:3:13: metadata\.name: "B" is not a name/);
  });

  test('a folder without configuration is a fault', () => {
    expect(validatePaths([folder], () => 0).faults).toMatchObject([
      { message: 'there is no .yaml, .yml or .json file in it' },
    ]);
  });
});
