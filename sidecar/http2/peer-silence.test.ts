/** When a peer that says nothing counts as gone. */
import { expect, test } from 'vitest';
import { PeerSilence } from './peer-silence.ts';

class Rig {
  readonly #silence = new PeerSilence();
  nowMs = 0;
  readMs = 0;
  asked = 0;
  readonly #clock = {
    nowMs: (): number => {
      this.asked++;
      return this.nowMs;
    },
  };

  /** A stream begins at that time. */
  begin(atMs: number, alone = false): string {
    this.nowMs = atMs;
    return this.#silence.onBegin(this.readMs, alone, this.#clock);
  }
}

test('streams that begin while nothing comes: a PING, and then no more streams', () => {
  const rig = new Rig();
  rig.readMs = 1;
  expect([1, 5, 300, 302, 700, 1_001, 1_002].map((atMs) => rig.begin(atMs))).toEqual([
    ...['none', 'none', 'none', 'ask', 'none', 'none', 'gone'],
  ]);
});

test('anything that comes ends it, the answer to the PING too', () => {
  const rig = new Rig();
  rig.readMs = 1;
  for (const atMs of [1, 5, 310]) rig.begin(atMs);
  rig.readMs = 900;
  expect([901, 1_100, 1_201, 1_900, 1_901].map((atMs) => rig.begin(atMs))).toEqual([
    ...['none', 'none', 'ask', 'none', 'gone'],
  ]);
});

test('a connection that rested owes nothing: the time begins with the stream', () => {
  const rig = new Rig();
  rig.readMs = 1;
  expect(rig.begin(30_000, true)).toBe('none');
  expect(rig.begin(60_000, true)).toBe('none');
  expect(rig.begin(60_200)).toBe('none');
  expect(rig.begin(60_310)).toBe('ask');
});

test('this process stood still: it asks before it judges, and what waits to be read is heard', () => {
  const rig = new Rig();
  rig.readMs = 1;
  for (const atMs of [1, 5]) rig.begin(atMs);
  expect([30_000, 30_001, 30_002].map((atMs) => rig.begin(atMs))).toEqual(['ask', 'none', 'none']);
  rig.readMs = 30_003;
  expect(rig.begin(30_004)).toBe('none');
});

test('the clock is not asked where something came since the stream before, and others are under way', () => {
  const rig = new Rig();
  for (let i = 1; i < 100; i++) {
    rig.readMs = i;
    rig.begin(i);
  }
  expect(rig.asked).toBe(0);
});
