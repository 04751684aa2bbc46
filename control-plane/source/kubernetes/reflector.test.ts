/** What the watch loop does about each fault of an API server, over real HTTP. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LeapingClock } from '../leaping-clock.test-data.ts';
import { ApiClient } from './api-client.ts';
import { ApiFault, faultWords } from './api-fault.ts';
import { answerStatus, FakeApiServer, type FakeObject } from './fake-api-server.test-data.ts';
import { objectName, textOf } from './object-fields.ts';
import { Reflector } from './reflector.ts';
import { type Kept, type WatchedKind, watchRule } from './watched-kind.ts';

interface Thing extends Kept {
  readonly says: string;
}

const kind: WatchedKind<Thing> = {
  group: 'things.test',
  apiVersion: 'v1',
  plural: 'things',
  optional: false,
  fieldSelector: '',
  keep: (object) => {
    const { key, version } = objectName(object);
    return { key, version, says: textOf((object as { says?: unknown }).says) };
  },
};
const chosen: WatchedKind<Thing> = {
  ...kind,
  keep: (object) => {
    const says = textOf((object as { says?: unknown }).says);
    if (says === 'garbage') throw new Error('it cannot be read');
    return says === 'nothing' ? null : kind.keep(object);
  },
};
const things = '/apis/things.test/v1/things';
const thing = (name: string, says: string): FakeObject => ({ metadata: { namespace: 'shop', name }, says });

/** Patient: the machine may be busy. */
const poll = <T>(look: () => T) => expect.poll(look, { timeout: 15_000, interval: 5 });

let api: FakeApiServer;
let client: ApiClient;
let reflector: Reflector<Thing>;
let faults: unknown[];
let changes: string[][];
const clock = new LeapingClock();

function start(of: WatchedKind<Thing> = kind): void {
  client = new ApiClient(api.address);
  reflector = new Reflector({
    kind: of,
    client,
    after: (delayMs, callback) => clock.after(delayMs, callback),
    nowMs: () => clock.nowMs(),
    random: () => 0.5,
    onChange: (keys) => void changes.push([...keys]),
    onFault: (fault) => void faults.push(fault),
    onBadObject: (message) => void faults.push(message),
  });
  void reflector.run();
}

const said = (): Record<string, string> =>
  Object.fromEntries([...reflector.items].map(([key, { says }]) => [key, says]));
const lists = (): number => api.requests.filter((each) => each.includes('limit=')).length;
const watches = (): string[] => api.requests.filter((each) => each.includes('watch=1'));
const watching = (): Promise<void> => poll(() => api.watching).toBe(1);

beforeEach(async () => {
  api = await FakeApiServer.start();
  faults = [];
  changes = [];
});
afterEach(async () => {
  reflector.close();
  client.close();
  await api.stop();
});

describe('objects that change their kind of saying', () => {
  test('one that is nothing to us any more goes, and so does one that is deleted then', async () => {
    api.put(things, thing('a', 'first'));
    api.put(things, thing('b', 'first'));
    start(chosen);
    await watching();
    api.put(things, thing('a', 'nothing'));
    await poll(said).toEqual({ 'shop/b': 'first' });
    api.put(things, thing('b', 'nothing'));
    await poll(said).toEqual({});
  });

  test('one that cannot be read says what it said before, until it is deleted', async () => {
    api.put(things, thing('a', 'first'));
    start(chosen);
    await watching();
    api.put(things, thing('a', 'garbage'));
    await poll(() => faults.length).toBe(1);
    expect(said()).toEqual({ 'shop/a': 'first' });
    api.remove(things, 'shop', 'a');
    await poll(said).toEqual({});
  });
});

describe('without faults', () => {
  test('lists page by page, tells all at once, and watches from there on, with bookmarks', async () => {
    for (let at = 0; at < 1_201; at++) api.put(things, thing(`t${at}`, 'first'));
    start();
    await watching();
    expect(lists()).toBe(3);
    expect(changes).toHaveLength(1);
    expect(reflector.items.size).toBe(1_201);
    expect(watches()[0]).toMatch(/allowWatchBookmarks=true&resourceVersion=\d+&timeoutSeconds=450/);
    const before = reflector.items.get('shop/t1');
    api.put(things, thing('t0', 'second'));
    api.remove(things, 'shop', 't2');
    await poll(() => reflector.items.size).toBe(1_200);
    expect(said()['shop/t0']).toBe('second');
    expect(reflector.items.get('shop/t1')).toBe(before);
    expect(faults).toEqual([]);
  });

  test('a watch that the server ends goes on from the last bookmark, without a word', async () => {
    start();
    await watching();
    api.bookmark();
    const { requests } = api;
    clock.leap(2_000);
    await poll(() => requests.length).toBe(2);
    api.endWatches('in order');
    await poll(() => watches().length).toBe(2);
    expect(watches()[1]).toContain('resourceVersion=101');
    expect([lists(), faults]).toEqual([1, []]);
  });

  test('lists again after half an hour, and keeps what is the same', async () => {
    api.put(things, thing('a', 'one'));
    start();
    await watching();
    const before = reflector.items.get('shop/a');
    clock.leap(40 * 60_000);
    api.endWatches('in order');
    await poll(lists).toBe(2);
    await watching();
    expect(reflector.items.get('shop/a')).toBe(before);
    expect(changes).toHaveLength(1);
  });
});

describe('with faults', () => {
  test('410 to a watch: lists again at once, drops what is gone meanwhile, and says nothing', async () => {
    api.put(things, thing('a', 'one'));
    api.put(things, thing('b', 'one'));
    start();
    await watching();
    await api.stop();
    api.remove(things, 'shop', 'a');
    api.forgetThePast();
    await api.restart();
    await poll(() => {
      clock.leap(500);
      return lists();
    }).toBe(2);
    await poll(said).toEqual({ 'shop/b': 'one' });
    expect(changes.at(-1)).toEqual(['shop/a']);
    expect(faults.filter((fault) => fault !== null && !(fault instanceof Error && 'code' in fault))).toEqual([]);
  });

  test('410 within a watch, as an event: the same', async () => {
    start();
    await watching();
    api.say(`${JSON.stringify({ type: 'ERROR', object: { code: 410, reason: 'Expired', message: 'too old' } })}\n`);
    await poll(lists).toBe(2);
    expect(faults).toEqual([]);
  });

  test('410 again and again is waited for', async () => {
    api.fault = (_, url, response) => {
      if (url.searchParams.get('watch') !== '1') return false;
      answerStatus(response, 410, 'Expired', 'too old');
      return true;
    };
    start();
    await poll(lists).toBe(2);
    await new Promise((resolve) => setImmediate(resolve));
    expect(lists()).toBe(2);
    api.fault = null;
    clock.leap(2_000);
    await watching();
  });

  test('a cut connection: watches on from the last event after a moment, without a word', async () => {
    start();
    await watching();
    api.put(things, thing('a', 'one'));
    await poll(() => reflector.items.size).toBe(1);
    api.endWatches('broken');
    api.put(things, thing('b', 'one'));
    await poll(() => {
      clock.leap(500);
      return reflector.items.size;
    }).toBe(2);
    expect(watches()[1]).toContain('resourceVersion=101');
    expect([lists(), faults]).toEqual([1, []]);
  });

  test.each([
    ['no JSON', 'this is a proxy error page\n'],
    ['half an event', '{"type":"ADDED","object":{"metad'],
    ['an event of another type', '{"type":"SURPRISE","object":{"metadata":{"name":"a","resourceVersion":"7"}}}\n'],
    ['an object without a version', '{"type":"ADDED","object":{"metadata":{"name":"a"}}}\n'],
  ])('garbage (%s): what was known stays, and the watch goes on from there', async (_, garbage) => {
    api.put(things, thing('a', 'one'));
    start();
    await watching();
    api.say(garbage);
    if (!garbage.endsWith('\n')) api.endWatches('in order');
    await poll(() => api.watching).toBe(0);
    expect(said()).toEqual({ 'shop/a': 'one' });
    api.put(things, thing('b', 'one'));
    await poll(() => {
      clock.leap(500);
      return reflector.items.size;
    }).toBe(2);
    expect(lists()).toBe(1);
  });

  test('an object that cannot be read is left out alone', async () => {
    api.put(things, thing('', 'nameless'));
    api.put(things, thing('a', 'one'));
    start();
    await watching();
    expect(said()).toEqual({ 'shop/a': 'one' });
    expect(faults).toEqual(['things: an object has no metadata.name']);
  });

  test('a slow server, byte by byte, is heard out', async () => {
    api.put(things, thing('ä', 'ö'));
    start();
    await watching();
    const line = Buffer.from(
      `${JSON.stringify({ type: 'ADDED', object: { ...thing('b', 'ü€'), metadata: { namespace: 'shop', name: 'b', resourceVersion: '500' } } })}\n`,
    );
    for (const byte of line) {
      api.say(Buffer.from([byte]).toString('latin1'));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await poll(() => reflector.items.size).toBe(2);
  });

  test('403 names the rule that is missing, once, and each wait is longer', async () => {
    api.fault = (_, _url, response) => {
      answerStatus(response, 403, 'Forbidden', 'things.things.test is forbidden: User "x" cannot list resource');
      return true;
    };
    start();
    await poll(() => faults.length).toBe(1);
    expect(faultWords(faults[0], watchRule(kind))).toContain(
      'the ClusterRole needs the rule apiGroups: ["things.test"], resources: ["things"], verbs: [list, watch]',
    );
    clock.leap(380);
    await poll(() => faults.length).toBe(2);
    clock.leap(380);
    await new Promise((resolve) => setImmediate(resolve));
    expect(faults).toHaveLength(2);
    clock.leap(400);
    await poll(() => faults.length).toBe(3);
    expect(reflector.synced).toBe(false);
    api.fault = null;
    clock.leap(2_000);
    await watching();
    expect(faults.at(-1)).toBeNull();
  });

  test('429 is left alone for as long as it says', async () => {
    api.fault = (_, _url, response) => {
      response.setHeader('retry-after', '7');
      answerStatus(response, 429, 'TooManyRequests', 'slow down');
      return true;
    };
    start();
    await poll(() => faults.length).toBe(1);
    expect((faults[0] as ApiFault).retryAfterMs).toBe(7_000);
    api.fault = null;
    clock.leap(6_000);
    await new Promise((resolve) => setImmediate(resolve));
    expect(api.requests).toHaveLength(1);
    clock.leap(1_100);
    await watching();
  });

  test('a kind that is not installed is none, until it is', async () => {
    api.fault = (_, _url, response) => {
      answerStatus(response, 404, 'NotFound', 'the server could not find the requested resource');
      return true;
    };
    start({ ...kind, optional: true });
    await poll(() => reflector.synced).toBe(true);
    expect(faults[0]).toBeInstanceOf(ApiFault);
    api.fault = null;
    api.put(things, thing('a', 'one'));
    clock.leap(10_100);
    await poll(said).toEqual({ 'shop/a': 'one' });
  });
});
