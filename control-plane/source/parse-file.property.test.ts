import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { faultText } from './fault.ts';
import { parseFile } from './parse-file.ts';

const kinds = [
  ['outrigger.dev/v1', 'Service'],
  ['v1', 'Service'],
  ['gateway.networking.k8s.io/v1', 'HTTPRoute'],
  ['gateway.networking.k8s.io/v1', 'GRPCRoute'],
  ['outrigger.dev/v1', 'PeerAuthentication'],
  ['outrigger.dev/v1', 'AuthorizationPolicy'],
  ['outrigger.dev/v1', 'RequestAuthentication'],
] as const;

/** Keys that mean something somewhere, so that random documents reach deep into the schemas. */
const words = [
  'metadata',
  'name',
  'spec',
  'ports',
  'port',
  'rules',
  'matches',
  'path',
  'type',
  'value',
  'filters',
  'backendRefs',
  'parentRefs',
  'timeouts',
  'request',
  'endpoints',
  'selector',
  '__proto__',
  'constructor',
  'headers',
  'targetRefs',
  'mtls',
  'mode',
  'portLevelMtls',
  'action',
  'external',
  'service',
  'from',
  'source',
  'principals',
  'to',
  'operation',
  'paths',
  'when',
  'key',
  'values',
  'cel',
  'jwtRules',
  'issuer',
  'jwks',
  'jwksUri',
];
const json = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 6 },
    fc.constantFrom<unknown>(
      null,
      true,
      0,
      -1,
      80,
      1.5,
      '',
      'a',
      'Exact',
      'RequestRedirect',
      '(',
      '/x',
      'STRICT',
      'EXTERNAL',
      '*a',
      'a && b',
    ),
    tie('list'),
    tie('map'),
  ),
  list: fc.array(tie('value'), { maxLength: 3 }),
  map: fc.dictionary(fc.constantFrom(...words), tie('value'), { maxKeys: 6, noNullPrototype: true }),
})).map;

/** What is wrong with the answer to a text; empty: it is read, or refused in words. */
function problems(text: string): string[] {
  const { faults, resources } = parseFile('random.yaml', text);
  const bad = faults
    .filter((fault) => fault.line < 0 || fault.message === '' || /\n|undefined|\[object/.test(faultText(fault)))
    .map(faultText);
  if (resources.length > 0 && faults.length > 0 && !text.includes('---')) bad.push('both a resource and faults');
  return bad;
}

test('any text is read or refused with places, never thrown at (hardening.md, configuration as attack)', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: 'binary', maxLength: 200 }),
        fc.string({ unit: fc.constantFrom(...'ab:-[]{}&*!|>#%@`"\' \n\t?,'), maxLength: 60 }),
      ),
      (text) => {
        expect(problems(text)).toEqual([]);
      },
    ),
    { numRuns: 400 },
  );
});

test('any document of a kind is a resource or faults in one line each', () => {
  fc.assert(
    fc.property(fc.constantFrom(...kinds), json, ([apiVersion, kind], document) => {
      expect(problems(JSON.stringify({ ...(document as object), apiVersion, kind }))).toEqual([]);
    }),
    { numRuns: 400 },
  );
});
