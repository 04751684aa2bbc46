import { describe, expect, test } from 'vitest';
import { fixturePods } from '../fixtures.test-data.ts';
import { injectDocument } from '../inject-document.ts';
import { applyPatch, type PatchOperation } from '../json-patch.ts';
import type { LockedKnobs } from '../knobs.ts';
import { answerReview, type ReviewAnswer } from './admission-review.ts';

const kind = { group: '', version: 'v1', kind: 'Pod' };
const pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'a' },
  spec: { containers: [{ name: 'a', image: 'a:1' }] },
};

function review(request: object, rest: object = {}, locked?: LockedKnobs): ReviewAnswer {
  const whole = { uid: 'u1', kind, operation: 'CREATE', namespace: 'shop', object: pod, ...request };
  return answerReview(
    JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', request: whole, ...rest }),
    {},
    locked,
  );
}
function patchOf({ body }: ReviewAnswer): readonly PatchOperation[] {
  return JSON.parse(Buffer.from(body.response.patch ?? '', 'base64').toString()) as PatchOperation[];
}

describe('the webhook and outrigger inject make the same of a pod', () => {
  test.each(fixturePods.map((found) => ({ what: `${found.kind} ${found.name}`, ...found })))(
    '$what',
    ({ pod: template, owner, namespace }) => {
      const { metadata, spec } = template as { readonly metadata?: object; readonly spec: object };
      const asFile = {
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        metadata: { name: owner, namespace },
        spec: { template },
      };
      const single = { apiVersion: 'v1', kind: 'Pod', ...(metadata === undefined ? {} : { metadata }), spec };
      const file = owner === '' ? { ...single, metadata: { ...metadata, namespace } } : asFile;
      const { operations } = injectDocument(file, {});
      const own = operations.map((each) => ({
        ...each,
        path: owner === '' ? each.path : each.path.replace('/spec/template', ''),
      }));
      // What a controller makes of the template.
      const made =
        owner === ''
          ? single
          : {
              ...single,
              metadata: { ...metadata, ownerReferences: [{ apiVersion: 'apps/v1', kind: 'StatefulSet', name: owner }] },
            };
      // Files have no locked knobs.
      const answer = review({ object: made, namespace: namespace || 'default' }, {}, new Set());
      if (operations.length === 0) {
        expect(answer.body.response).toEqual({ uid: 'u1', allowed: true });
        return;
      }
      expect(answer.body.response).toMatchObject({ uid: 'u1', allowed: true, patchType: 'JSONPatch' });
      const {
        ownerReferences: _,
        namespace: ___,
        ...patched
      } = (applyPatch(made, patchOf(answer)) as { metadata: Record<string, unknown> }).metadata;
      const { namespace: __, ...fromFile } = (
        applyPatch(owner === '' ? file : template, own) as { metadata: Record<string, unknown> }
      ).metadata;
      const withoutCreated = (value: Record<string, unknown>): unknown =>
        JSON.parse(JSON.stringify(value).replaceAll(/\\"metadata\\",|,\\"metadata\\"/g, ''));
      expect(withoutCreated(patched)).toEqual(withoutCreated(fromFile));
      const spec2 = (operations: readonly PatchOperation[]): unknown =>
        operations.filter(({ path }) => path.startsWith('/spec'));
      expect(spec2(patchOf(answer))).toEqual(spec2(own));
    },
  );
});

test('a pod that cannot have a sidecar is denied with every reason; one that is to have none is let through', () => {
  const { status, body, outcome } = review({ object: { ...pod, spec: { ...pod.spec, hostNetwork: true } } });
  expect([status, outcome]).toEqual([200, 'refused']);
  expect(body.response).toMatchObject({
    uid: 'u1',
    allowed: false,
    status: {
      code: 422,
      reason: 'Invalid',
      message: expect.stringMatching(/^outrigger: spec\.hostNetwork: .*outrigger\.dev\/inject: disabled/) as string,
    },
  });
  expect(review({ namespace: 'kube-system' }).body.response).toEqual({ uid: 'u1', allowed: true });
  const disabled = { ...pod, metadata: { labels: { 'outrigger.dev/inject': 'disabled' } } };
  expect(review({ object: disabled }).body.response).toEqual({ uid: 'u1', allowed: true });
});

test('what is told of a pod comes as warnings', () => {
  const metadata = { name: 'a', annotations: { 'prometheus.io/scrape': 'true' } };
  const { warnings = [] } = review({ object: { ...pod, metadata } }).body.response;
  expect(warnings).toEqual([
    expect.stringMatching(/^outrigger: the annotations prometheus\.io\/scrape are the application's/),
  ]);
  expect(warnings[0]!.length).toBeLessThanOrEqual(250);
});

test('only pods that are made are changed', () => {
  for (const request of [
    { operation: 'UPDATE' },
    { operation: 'DELETE', object: null },
    { operation: 'CONNECT' },
    { subResource: 'ephemeralcontainers' },
  ])
    expect(review(request).body.response).toEqual({ uid: 'u1', allowed: true });
});

describe('a review that no API server sends gets a whole answer that denies (hardening.md)', () => {
  test.each<[string, ReviewAnswer, string]>([
    ['nothing', answerReview('', {}), 'is not JSON'],
    ['no JSON', answerReview('{"a":', {}), 'is not JSON'],
    ['null', answerReview('null', {}), 'is not an AdmissionReview'],
    ['a list', answerReview('[]', {}), 'is not an AdmissionReview'],
    [
      'another version',
      review({}, { apiVersion: 'admission.k8s.io/v1beta1' }),
      'is not an AdmissionReview of admission.k8s.io/v1',
    ],
    ['another kind', review({}, { kind: 'Pod' }), 'is not an AdmissionReview'],
    ['no request', review({}, { request: null }), 'request.uid is missing'],
    ['no uid', review({ uid: undefined }), 'request.uid is missing'],
    ['an empty uid', review({ uid: '' }), 'request.uid is missing'],
    ['a uid that is no text', review({ uid: { a: 1 } }), 'request.uid is missing'],
    ['a uid without end', review({ uid: 'u'.repeat(10_000) }), 'request.uid is missing'],
    ['another kind of object', review({ kind: { ...kind, kind: 'Deployment' } }), 'request.kind is not a Pod'],
    ['a pod of another group', review({ kind: { ...kind, group: 'example.com' } }), 'request.kind is not a Pod'],
    ['no kind', review({ kind: null }), 'request.kind is not a Pod'],
    ['no operation', review({ operation: 1 }), 'request.operation is missing'],
    ['no namespace', review({ namespace: '' }), 'request.namespace is missing'],
    ['no object', review({ object: null }), 'request.object is not a Pod'],
    ['an object of another kind', review({ object: { ...pod, kind: 'Node' } }), 'request.object is not a Pod'],
    [
      'an object of another namespace',
      review({ object: { ...pod, metadata: { namespace: 'kube-system' } } }),
      'is not request.namespace',
    ],
    [
      'fields of a prototype',
      answerReview('{"__proto__":{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}}', {}),
      'is not an AdmissionReview',
    ],
    ['deep nesting', answerReview(`${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`, {}), 'nested too deep'],
  ])('%s', (_, { status, body, outcome }, message) => {
    expect([status, outcome]).toEqual([400, 'malformed']);
    expect(body).toMatchObject({
      apiVersion: 'admission.k8s.io/v1',
      kind: 'AdmissionReview',
      response: { allowed: false, status: { code: 400, message: expect.stringContaining(message) as string } },
    });
    expect(typeof body.response.uid).toBe('string');
  });

  test('pods of any shape are denied, not tripped over', () => {
    for (const spec of [
      null,
      [],
      'x',
      {},
      { containers: null },
      { containers: [null] },
      { containers: [{ name: 1 }] },
      { containers: [{ name: 'a', ports: 'x' }] },
      { containers: [{ name: 'a', readinessProbe: { httpGet: { port: {} } } }] },
      { containers: [{ name: 'a' }], volumes: {} },
      { containers: [{ name: 'a' }], hostNetwork: 'yes' },
    ])
      expect(review({ object: { ...pod, spec } }).body.response).toMatchObject({
        uid: 'u1',
        allowed: false,
        status: { code: 422 },
      });
  });
});

test('a fault of ours is an answer with a reason too, and one short line', () => {
  const broken = Object.defineProperty({}, 'image', {
    get: () => {
      throw new Error(`broken ${'x'.repeat(10_000)}`);
    },
  });
  const request = { uid: 'u1', kind, operation: 'CREATE', namespace: 'shop', object: pod };
  const { status, body, outcome, line } = answerReview(
    JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', request }),
    broken,
  );
  expect([status, outcome]).toEqual([200, 'failed']);
  expect(body.response).toMatchObject({
    uid: 'u1',
    allowed: false,
    status: { code: 500, reason: 'InternalError', message: expect.stringContaining('the webhook failed') as string },
  });
  expect(line).toMatch(/^a review of a pod in shop failed: Error: broken x/);
  expect(line).not.toContain('\n');
  expect(line.length).toBeLessThan(500);
});

test('which image runs as root, and whom it believes, is not a pod’s to say, unless the operator says so', () => {
  const withImage = { ...pod, metadata: { name: 'a', annotations: { 'outrigger.dev/image': 'evil:1' } } };
  const refused = review({ object: withImage });
  expect(refused.body.response).toMatchObject({
    allowed: false,
    status: { message: expect.stringContaining('annotations["outrigger.dev/image"]: is not a pod') as string },
  });
  expect(review({ object: withImage }, {}, new Set()).body.response.allowed).toBe(true);
});
