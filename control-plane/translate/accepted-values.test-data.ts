/** What the property tests of what our sidecar takes share: values that people write by mistake or on purpose, and the check itself. */
import fc from 'fast-check';
import { expect } from 'vitest';
import { parseSpiffeId } from '../../certs/spiffe/spiffe-id.ts';
import { parseDocument } from '../config-kind/kind.ts';
import type { Resource } from '../config-kind/resource.ts';
import { ModelBuilder } from '../model/model-builder.ts';
import { instance, proxy } from './sample-mesh.test-data.ts';
import { type ProxyResources, translate } from './translate.ts';

/** What people write by mistake, and what others write on purpose. */
export const text: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom(
    '',
    'x',
    '5 €',
    'é',
    '50%',
    '%41',
    '%zz',
    'a b',
    'a\r\nb: c',
    '\t',
    '\u0000',
    '\u007f',
    '\u0085',
    '(',
    '.*',
  ),
  fc.string({ unit: 'binary', maxLength: 6 }),
  fc.string({ unit: 'grapheme', maxLength: 6 }),
);
export const name: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom('Connection', 'Content-Length', 'transfer-encoding', 'HOST', ':path', ':method', 'x-a', 'TE', 'Date'),
  text,
);
export const path: fc.Arbitrary<string> = fc.oneof(
  text.map((rest) => `/${rest}`),
  fc.constantFrom('/a', '/a/', '/a?b', '/a#b', '/a//b', '/a%20b', '/é', '/a\u0001', '/"', '/[x]', '/{x}', '/a|b', ''),
);
export const pattern: fc.Arbitrary<string> = fc.oneof(
  text,
  fc.constantFrom('(?i)a', '[[:alpha:]]', '\\pL', 'a{1,1000}', '(a|b)*?', '\\Q', 'a**', '(?P<n>x)'),
);
export const values: fc.Arbitrary<object[]> = fc.array(
  fc.record({ type: fc.constantFrom('Exact', 'RegularExpression'), name, value: fc.oneof(text, pattern) }),
  { minLength: 1, maxLength: 2 },
);
export const duration: fc.Arbitrary<string> = fc.constantFrom(
  '0s',
  '1ms',
  '99999h',
  '99999h99999h',
  '99999h99999h99999h99999h',
  '1h2m3s4ms',
);
/** Of a policy: whom it is for. */
export const target: fc.Arbitrary<object> = fc.constantFrom(
  {},
  { targetRefs: [{ kind: 'Service', name: 'payments' }] },
  { selector: { matchLabels: { a: 'b' } } },
);
export const metadata = { name: 'orders', namespace: 'shop' };
export function parsed(document: object): Resource | null {
  const result = parseDocument(document, { file: 'random.yaml', line: 1, column: 1 });
  return 'resource' in result ? result.resource : null;
}

/** One that has policies for callers' identities too. */
const identity = parseSpiffeId('spiffe://cluster.local/ns/shop/sa/payments');
export const service: Resource = parsed({
  apiVersion: 'outrigger.dev/v1',
  kind: 'Service',
  metadata,
  spec: { ports: [{ port: 80 }] },
})!;
/** What our sidecar decodes resources with (sidecar/xds/ads/resource-type.ts, which only tests may import here). */
export type Decoders = Readonly<
  Record<
    keyof ProxyResources,
    { decode(bytes: Uint8Array): { readonly ok: true } | { readonly ok: false; readonly faults: readonly string[] } }
  >
>;

function refusals(decoders: Decoders, resources: readonly Resource[]): string[] {
  const model = new ModelBuilder().build({ resources, instances: [instance('orders', '10.0.0.9')] });
  const translated = translate(model, proxy('outrigger', { labels: { a: 'b' }, identity }));
  return (Object.keys(decoders) as Array<keyof ProxyResources>).flatMap((type) =>
    [...translated[type].values()].flatMap(({ bytes }) => {
      const decoded = decoders[type].decode(bytes);
      return decoded.ok ? [] : decoded.faults;
    }),
  );
}

/** Values that are refused in words tell nothing here; there must be enough of the others. */
export function everyAccepted<T>(
  decoders: Decoders,
  numRuns: number,
  arbitrary: fc.Arbitrary<T>,
  read: (value: T) => ReadonlyArray<Resource | null>,
): void {
  let accepted = 0;
  fc.assert(
    fc.property(arbitrary, (value) => {
      const resources = read(value);
      if (resources.includes(null)) return;
      accepted++;
      expect(refusals(decoders, resources as readonly Resource[])).toEqual([]);
    }),
    { numRuns },
  );
  expect(accepted).toBeGreaterThan(numRuns / 10);
}
