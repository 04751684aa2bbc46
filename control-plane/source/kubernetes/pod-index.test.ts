import fc from 'fast-check';
import { expect, test } from 'vitest';
import { selects } from '../../model/selects.ts';
import type { KeptPod } from './kept-pod.ts';
import { PodIndex } from './pod-index.ts';

const labels = fc.dictionary(fc.constantFrom('app', 'version', 'constructor'), fc.constantFrom('a', 'b'));

test('whatever comes and goes, a selector finds the Pods that a look at each would find', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ key: fc.constantFrom('1', '2', '3', '4'), labels, goes: fc.boolean() })),
      labels.filter((selector) => Object.keys(selector).length > 0),
      (changes, selector) => {
        const index = new PodIndex();
        const pods = new Map<string, KeptPod>();
        for (const { key, labels: of, goes } of changes) {
          if (goes) {
            index.remove(key);
            pods.delete(key);
          } else {
            const pod = { key, labels: of } as KeptPod;
            index.put(pod);
            pods.set(key, pod);
          }
        }
        const wanted = [...pods.values()].filter((pod) => selects(selector, pod.labels));
        expect(new Set(index.selected(selector))).toEqual(new Set(wanted));
        expect([...index.all()]).toHaveLength(pods.size);
      },
    ),
  );
});
