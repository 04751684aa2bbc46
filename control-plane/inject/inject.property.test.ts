/** Whatever pod there is: injected twice it is as injected once, uninjected as before, and the patch says exactly the difference. */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { injectPod } from './inject-pod.ts';
import { applyPatch, jsonPatch } from './json-patch.ts';
import { readPod } from './pod.ts';
import { uninjectPod } from './uninject-pod.ts';

const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,8}[a-z0-9]$/);
const port = fc.integer({ min: 1, max: 14_999 });
/** Absent, without a value, or there. */
const maybe = <Value>(value: fc.Arbitrary<Value>): fc.Arbitrary<Value | null | undefined> =>
  fc.oneof({ weight: 3, arbitrary: value }, fc.constant(null), fc.constant(undefined));

function present(fields: object): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
function record(fields: Readonly<Record<string, fc.Arbitrary<unknown>>>): fc.Arbitrary<object> {
  return fc.record(fields).map(present);
}

const handler = fc.oneof(
  record({
    path: maybe(fc.constantFrom('/', '/healthz', '/a?b=c')),
    port: fc.oneof(port, fc.constantFrom('http', 'nowhere', '81')),
    scheme: maybe(fc.constantFrom('HTTP', 'HTTPS')),
    host: maybe(fc.constantFrom('', 'elsewhere')),
    httpHeaders: maybe(fc.array(fc.record({ name, value: fc.string() }), { maxLength: 2 })),
  }).map((httpGet) => ({ httpGet })),
  record({ port }).map((tcpSocket) => ({ tcpSocket })),
  record({ port, service: maybe(name) }).map((grpc) => ({ grpc })),
  fc.constant({ exec: { command: ['true'] } }),
  fc.constant({}),
);
const probe = fc
  .tuple(handler, record({ periodSeconds: maybe(fc.nat(60)), timeoutSeconds: maybe(fc.integer({ min: 1, max: 9 })) }))
  .map(([how, when]) => ({ ...when, ...how }));
const hook = fc.constantFrom({ exec: { command: ['true'] } }, { httpGet: { port: 80 } });

const container = record({
  image: fc.constant('a:1'),
  restartPolicy: fc.constantFrom(undefined, 'Always'),
  ports: maybe(fc.array(record({ name: fc.constantFrom(undefined, 'http'), containerPort: port }), { maxLength: 2 })),
  startupProbe: maybe(probe),
  livenessProbe: maybe(probe),
  readinessProbe: maybe(probe),
  lifecycle: maybe(record({ preStop: maybe(hook), postStart: maybe(hook) })),
  env: maybe(fc.constant([{ name: 'A', value: 'b' }])),
});
const named = (min: number): fc.Arbitrary<object[]> =>
  fc
    .array(container, { minLength: min, maxLength: 3 })
    .map((all) => all.map((each, index) => ({ name: `c${min}${index}`, ...each })));
const texts = fc.dictionary(name, name, { maxKeys: 3 });
const words = {
  'outrigger.dev/interception': fc.constantFrom('redirect', 'tproxy', 'cni'),
  'outrigger.dev/native-sidecar': fc.constantFrom('true', 'false'),
  'outrigger.dev/hold-application': fc.constantFrom('true', 'false'),
  'outrigger.dev/identity': fc.constantFrom('kubernetes', 'join-token', 'none'),
  'outrigger.dev/probes': fc.constantFrom('rewrite', 'keep'),
  'outrigger.dev/drain-time': fc.nat(90).map(String),
  'prometheus.io/scrape': fc.constant('true'),
};
const annotations = fc
  .tuple(texts, fc.record(words, { requiredKeys: [] }))
  .map(([others, ours]): Record<string, string> => ({ ...others, ...(ours as Record<string, string>) }));

const pod = record({
  apiVersion: fc.constant('v1'),
  metadata: maybe(record({ name: maybe(name), labels: maybe(texts), annotations: maybe(annotations) })),
  spec: record({
    initContainers: maybe(named(0)),
    containers: named(1),
    volumes: maybe(fc.array(fc.record({ name }), { maxLength: 2 })),
    terminationGracePeriodSeconds: maybe(fc.nat(200)),
    restartPolicy: maybe(fc.constantFrom('Always', 'Never')),
    serviceAccountName: maybe(name),
  }),
});

test('inject is idempotent, uninject its inverse, and the patch the difference', () => {
  let injected = 0;
  fc.assert(
    fc.property(pod, name, (before, owner) => {
      const once = injectPod({ pod: before, namespace: 'shop', owner }, {});
      if (once.kind !== 'injected') throw new Error(JSON.stringify(once));
      injected++;
      expect(applyPatch(before, jsonPatch(before, once.pod))).toEqual(once.pod);
      expect(readPod(once.pod)).toHaveProperty('pod');
      const twice = injectPod({ pod: once.pod, namespace: 'shop', owner }, {});
      expect(twice).toEqual(once);
      expect(jsonPatch(once.pod, once.pod)).toEqual([]);
      const back = uninjectPod(once.pod);
      expect(back).toEqual({ kind: 'uninjected', pod: before, restored: expect.any(Array) });
      expect(applyPatch(once.pod, jsonPatch(once.pod, before))).toEqual(before);
      expect(uninjectPod(before as never)).toEqual({ kind: 'none' });
    }),
    { numRuns: 300 },
  );
  expect(injected).toBeGreaterThan(200);
});

test('other values for all pods change a pod that was injected with older ones, and its inverse stays', () => {
  fc.assert(
    fc.property(pod, name, (before, owner) => {
      const input = { namespace: 'shop', owner };
      const old = injectPod({ ...input, pod: before }, { image: 'outrigger:0.0.9' });
      const now = injectPod({ ...input, pod: before }, { image: 'outrigger:0.2.0' });
      if (old.kind !== 'injected' || now.kind !== 'injected') throw new Error(JSON.stringify(old));
      expect(injectPod({ ...input, pod: old.pod }, { image: 'outrigger:0.2.0' })).toEqual(now);
    }),
    { numRuns: 100 },
  );
});

test('a patch between any two values makes the one of the other (RFC 6902)', () => {
  const item = fc.oneof(fc.record({ name, value: fc.nat(2) }), fc.nat(3));
  const value = fc.dictionary(
    fc.constantFrom('a', 'b/c', 'd~e', ''),
    fc.oneof(fc.array(item, { maxLength: 4 }), item),
    { maxKeys: 3 },
  );
  fc.assert(
    fc.property(value, value, (before, after) => {
      expect(applyPatch(before, jsonPatch(before, after))).toEqual(after);
    }),
  );
});
