/** What is written into the webhook's configuration, when, and what is left alone. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { LeapingClock } from '../leaping-clock.test-data.ts';
import type { Call } from './api-client.ts';
import { ApiFault } from './api-fault.ts';
import { passTime } from './passing-time.test-data.ts';
import { WebhookBundle } from './webhook-bundle.ts';

interface Entry {
  readonly name: string;
  readonly clientConfig: { readonly caBundle?: string; readonly service?: object };
}

const base64 = (text: string): string => Buffer.from(text).toString('base64');

let clock: LeapingClock;
let lists: string[];
let calls: Call[];
let told: string[];
let webhooks: readonly Entry[] | null;
let answer: (call: Call) => void;
let pem: string;
let say: (line: string) => void;
let version: number;
let bundle: WebhookBundle;

const object = (entries: readonly Entry[]): object => ({
  metadata: { name: 'outrigger-inject', resourceVersion: String(++version) },
  webhooks: entries,
});
const modified = (entries: readonly Entry[]): void =>
  say(JSON.stringify({ type: 'MODIFIED', object: object(entries) }));

beforeEach(() => {
  clock = new LeapingClock();
  lists = [];
  calls = [];
  told = [];
  webhooks = [{ name: 'pod.inject.outrigger.dev', clientConfig: { service: {} } }];
  answer = () => {};
  pem = 'root 1';
  version = 10;
  bundle = new WebhookBundle({
    client: {
      call: async (call) => {
        if (call.method === 'GET') {
          lists.push(call.path);
          return { metadata: { resourceVersion: '7' }, items: webhooks === null ? [] : [object(webhooks)] };
        }
        calls.push(call);
        answer(call);
        return {};
      },
      watch: (path, onLine, onOpen) => {
        lists.push(path);
        onOpen();
        say = onLine;
        return new Promise(() => {});
      },
    },
    name: 'outrigger-inject',
    roots: () => pem,
    after: (delayMs, callback) => clock.after(delayMs, callback),
    nowMs: () => clock.nowMs(),
    random: () => 0.5,
    tell: (line) => void told.push(line),
  });
});
afterEach(() => bundle.close());

const passes = (ms?: number): Promise<void> => passTime(clock, ms);
const written = (): unknown[] => calls.splice(0).map(({ body }) => (body as { webhooks: unknown }).webhooks);

test("our entries that have another caBundle get the mesh's; others' entries, and ours that have it, are left alone", async () => {
  webhooks = [
    { name: 'namespace.inject.outrigger.dev', clientConfig: { service: {} } },
    { name: 'pod.inject.outrigger.dev', clientConfig: { caBundle: base64('root 1') } },
    { name: 'pod.inject.example.com', clientConfig: { caBundle: base64('theirs') } },
  ];
  bundle.start();
  await passes();
  expect(calls).toEqual([
    {
      method: 'PATCH',
      path: '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/outrigger-inject',
      contentType: 'application/strategic-merge-patch+json',
      body: {
        metadata: { resourceVersion: '11' },
        webhooks: [{ name: 'namespace.inject.outrigger.dev', clientConfig: { caBundle: base64('root 1') } }],
      },
    },
  ]);
  // A role that names it allows nothing else.
  for (const path of lists) expect(path).toContain('fieldSelector=metadata.name%3Doutrigger-inject');
});

test('roots that change are written at once, and what somebody else makes of it is mended', async () => {
  bundle.start();
  await passes();
  modified([{ name: 'pod.inject.outrigger.dev', clientConfig: { caBundle: base64('root 1') } }]);
  await passes();
  written();
  pem = 'root 1 and 2';
  bundle.changed();
  await passes();
  expect(written()).toEqual([
    [{ name: 'pod.inject.outrigger.dev', clientConfig: { caBundle: base64('root 1 and 2') } }],
  ]);
  modified([{ name: 'pod.inject.outrigger.dev', clientConfig: { caBundle: base64('root 1 and 2') } }]);
  await passes();
  expect(written()).toEqual([]);
  modified([{ name: 'pod.inject.outrigger.dev', clientConfig: {} }]);
  await passes();
  expect(written()).toHaveLength(1);
});

test('where there is none it says how to have one, and writes when it comes; one without an entry of ours is left alone', async () => {
  webhooks = null;
  bundle.start();
  await passes();
  modified([{ name: 'pod.inject.example.com', clientConfig: {} }]);
  await passes();
  expect(told).toEqual([
    expect.stringContaining('there is no MutatingWebhookConfiguration outrigger-inject'),
    expect.stringContaining('has no entry of ours'),
  ]);
  expect(calls).toEqual([]);
  modified([{ name: 'pod.inject.outrigger.dev', clientConfig: {} }]);
  await passes();
  expect(written()).toHaveLength(1);
});

test('what fails is tried again; 403 names the rule, once; a conflict is not worth a word', async () => {
  let status = 403;
  answer = () => {
    throw new ApiFault(status, '', 'no');
  };
  bundle.start();
  await passes();
  await passes(11_000);
  status = 409;
  await passes(11_000);
  expect(calls).toHaveLength(3);
  expect(told).toEqual([expect.stringMatching(/verbs: \[list, watch, patch\], resourceNames: \[outrigger-inject\]$/)]);
});

test('one that does not lead any more writes nothing', async () => {
  bundle.start();
  bundle.stop();
  bundle.changed();
  await passes(11_000);
  expect(calls).toEqual([]);
});
