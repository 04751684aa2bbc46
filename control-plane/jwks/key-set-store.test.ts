import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { maxKeySetBytes } from '../config-kind/key-set-text.ts';
import type { Resource } from '../config-kind/resource.ts';
import { parseFile } from '../source/parse-file.ts';
import type { FetchUrl } from './fetch-key-set.ts';
import { KeySetStore } from './key-set-store.ts';

const keySet = (kid: string): string =>
  `{"keys":[{"kty":"EC","crv":"P-256","kid":"${kid}","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}`;

function naming(field: 'jwksUri' | 'jwksFile', ...sources: string[]): readonly Resource[] {
  const rules = sources.map((source, at) => `{issuer: i${at}, ${field}: ${JSON.stringify(source)}}`);
  const { resources, faults } = parseFile(
    'p.yaml',
    `{apiVersion: outrigger.dev/v1, kind: RequestAuthentication, metadata: {name: p}, spec: {jwtRules: [${rules.join()}]}}`,
  );
  expect(faults).toEqual([]);
  return resources;
}

describe('key sets', () => {
  let server: Server;
  let answer: (response: ServerResponse) => void;
  let requests: number;
  let uri: string;
  let timers: Array<{ readonly delayMs: number; readonly callback: () => void }>;
  let warnings: string[];
  let files: Map<string, string>;
  let store: KeySetStore;
  let changed: () => void;
  let lastGood: ReadonlyMap<string, string>;

  beforeEach(async () => {
    requests = 0;
    timers = [];
    warnings = [];
    files = new Map();
    changed = () => {};
    lastGood = new Map();
    answer = (response) => response.end(keySet('a'));
    server = createServer((_, response) => {
      requests++;
      answer(response);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    uri = `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`;
    store = new KeySetStore({
      fetchUrl: fetch as FetchUrl,
      readFile: (file) => {
        const text = files.get(file);
        if (text === undefined) throw new Error('ENOENT: there is no such file');
        return text;
      },
      after: (delayMs, callback) => {
        const timer = { delayMs, callback };
        timers.push(timer);
        return () => void (timers = timers.filter((each) => each !== timer));
      },
      random: () => 0.5,
      log: pino({}, { write: (line: string) => void warnings.push((JSON.parse(line) as { msg: string }).msg) }),
      lastGood: { load: () => lastGood, save: (now) => void (lastGood = now) },
      onChange: () => changed(),
    });
  });
  afterEach(async () => {
    store.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  const nextChange = (): Promise<void> => new Promise((resolve) => (changed = resolve));
  /** Resolves when the store waits `delayMs` for something. */
  async function waiting(delayMs: number): Promise<void> {
    while (!timers.some((timer) => Math.round(timer.delayMs) === delayMs))
      await new Promise((resolve) => setImmediate(resolve));
  }
  async function pass(delayMs: number): Promise<void> {
    await waiting(delayMs);
    const timer = timers.find((each) => Math.round(each.delayMs) === delayMs)!;
    timers = timers.filter((each) => each !== timer);
    timer.callback();
  }

  test('a URI is fetched, looked at again every 5 minutes, and told when it has changed', async () => {
    store.use(naming('jwksUri', uri));
    expect(store.keySets.size).toBe(0);
    await nextChange();
    const first = store.keySets;
    expect(first.get(uri)).toBe(keySet('a'));
    await pass(300_000);
    await waiting(300_000);
    expect(store.keySets).toBe(first);
    answer = (response) => response.end(keySet('b'));
    await pass(300_000);
    await nextChange();
    expect(store.keySets.get(uri)).toBe(keySet('b'));
    expect(requests).toBe(3);
  });

  test('after a restart the last good keys are in force at once, also while the issuer cannot be reached', async () => {
    lastGood = new Map([
      [uri, keySet('before')],
      ['https://gone.example/', keySet('gone')],
    ]);
    answer = (response) => response.writeHead(503).end();
    store.use(naming('jwksUri', uri));
    expect([...store.keySets]).toEqual([[uri, keySet('before')]]);
    await waiting(1_000);
    expect(store.problems).toMatchObject([{ source: uri, hasKeys: true }]);
    answer = (response) => response.end(keySet('a'));
    await pass(1_000);
    await nextChange();
    expect([...lastGood]).toEqual([[uri, keySet('a')]]);
  });

  test('the last good keys stay; a failure is told once, and tried again with growing pauses', async () => {
    store.use(naming('jwksUri', uri));
    await nextChange();
    answer = (response) => response.writeHead(503).end();
    await pass(300_000);
    await pass(1_000);
    await pass(2_000);
    await waiting(4_000);
    expect(store.keySets.get(uri)).toBe(keySet('a'));
    expect(warnings).toEqual([`keys of ${uri}: the answer has status 503; the last good keys stay in force`]);
    expect(store.problems).toEqual([
      { source: uri, problem: 'the answer has status 503', effect: 'the last good keys stay in force', hasKeys: true },
    ]);
    answer = (response) => response.end(keySet('a'));
    await pass(4_000);
    await waiting(300_000);
    expect(store.problems).toEqual([]);
  });

  test.each([
    [
      'a redirect',
      (response: ServerResponse) => response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end(),
      /redirect/,
    ],
    ['text that is no key set', (response: ServerResponse) => response.end('<html>'), /is not JSON/],
    ['a set without keys', (response: ServerResponse) => response.end('{"keys":[]}'), /has no key/],
    [
      'an answer without end',
      (response: ServerResponse) => flood(response),
      new RegExp(`larger than ${maxKeySetBytes}`),
    ],
  ])(
    '%s is no key set: nothing is known then, and a warning says that tokens are refused',
    async (_, reply, reason) => {
      answer = reply;
      store.use(naming('jwksUri', uri));
      await waiting(1_000);
      expect(store.keySets.size).toBe(0);
      expect(warnings).toHaveLength(1);
      expect(warnings[0]).toMatch(reason);
      expect(warnings[0]).toContain('every token of this issuer is refused');
    },
  );

  test('an answer that does not come is given up after 5 s', async () => {
    answer = () => {};
    store.use(naming('jwksUri', uri));
    while (requests === 0) await new Promise((resolve) => setImmediate(resolve));
    await pass(5_000);
    await waiting(1_000);
    expect(warnings[0]).toContain('no whole answer within 5 s');
  });

  test('what is no longer named is let go of, also in the middle of a fetch', async () => {
    answer = () => {};
    store.use(naming('jwksUri', uri));
    while (requests === 0) await new Promise((resolve) => setImmediate(resolve));
    store.use([]);
    expect(timers).toEqual([]);
    await new Promise((resolve) => setImmediate(resolve));
    expect(warnings).toEqual([]);
  });

  test('a file is read at once, and again every 5 s; a broken one keeps its last good content', async () => {
    files.set('keys.json', keySet('a'));
    store.use(naming('jwksFile', 'keys.json'));
    expect(store.keySets.get('keys.json')).toBe(keySet('a'));
    files.set('keys.json', 'broken');
    await pass(5_000);
    expect(store.keySets.get('keys.json')).toBe(keySet('a'));
    expect(warnings[0]).toContain('keys of keys.json: it is not JSON');
    files.set('keys.json', keySet('b'));
    const change = nextChange();
    await pass(5_000);
    await change;
    expect(store.keySets.get('keys.json')).toBe(keySet('b'));
  });
});

/** Writes until the other side has had enough. */
function flood(response: ServerResponse): void {
  const more = (): void => {
    while (!response.destroyed && response.write(' '.repeat(65_536)));
    if (!response.destroyed) response.once('drain', more);
  };
  more();
}
