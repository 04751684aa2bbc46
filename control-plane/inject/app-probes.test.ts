/** The variable with the application's probes: written for Kubernetes, which expands it, and read back from pods that anybody may have written. */
import { expect, test } from 'vitest';
import { appProbesText, readAppProbes } from './app-probes.ts';
import { injectPod } from './inject-pod.ts';
import { sidecarContainer } from './own-names.ts';
import type { Container, Pod } from './pod.ts';
import { uninjectPod } from './uninject-pod.ts';

/** As Kubernetes does: `$$` is `$`, and $(NAME) the variable. */
function expanded(text: string): string {
  return text.replaceAll(/\$(\$|\((\w+)\))/g, (_, escaped: string) => (escaped === '$' ? '$' : 'EXPANDED'));
}

test.each(['/$(POD_NAME)', '/$$(POD_NAME)', '/$$$(POD_NAME)', '/a$b', '/$$', '/$'])(
  'Kubernetes puts nothing into a probe of %s, and it comes back as it was',
  (path) => {
    const probes = { '/app-health/web/readiness': { httpGet: { path, port: 80 }, port: 80, timeoutSeconds: 1 } };
    const text = appProbesText(probes);
    expect(JSON.parse(expanded(text))).toEqual(probes);
    expect(readAppProbes(text)).toEqual(probes);
    const pod = {
      metadata: { name: 'a' },
      spec: { containers: [{ name: 'web', readinessProbe: { httpGet: { path, port: 80 } } }] },
    };
    const injected = injectPod({ pod, namespace: 'shop', owner: '' }, {});
    if (injected.kind !== 'injected') throw new Error(JSON.stringify(injected));
    expect(uninjectPod(injected.pod)).toMatchObject({ kind: 'uninjected', pod });
  },
);

test('nor does podman, which takes $$ as it is; and pods of older injections are read too', () => {
  const probes = {
    '/app-health/web/readiness': { httpGet: { path: '/$(POD_NAME)$$', port: 80 }, port: 80, timeoutSeconds: 1 },
  };
  expect(appProbesText(probes)).not.toContain('$');
  expect(readAppProbes(JSON.stringify(probes))).toEqual(probes);
});

test.each([
  null,
  5,
  'x',
  [],
  {},
  { httpGet: null, port: 1, timeoutSeconds: 1 },
  { httpGet: 'x', port: 1, timeoutSeconds: 1 },
  { httpGet: { port: { a: 1 } }, port: 1, timeoutSeconds: 1 },
  { grpc: [], port: 1, timeoutSeconds: 1 },
  { grpc: { port: 1 }, port: 70_000, timeoutSeconds: 1 },
])('a forged original %j is refused by name', (original) => {
  const injected = injectPod(
    { pod: { metadata: { name: 'a' }, spec: { containers: [{ name: 'web' }] } }, namespace: 'shop', owner: '' },
    {},
  );
  if (injected.kind !== 'injected') throw new Error(JSON.stringify(injected));
  const value = JSON.stringify({ '/app-health/web/readiness': original });
  const sidecar: Container = { name: sidecarContainer, env: [{ name: 'OUTRIGGER_APP_PROBES', value }] };
  const web: Container = {
    name: 'web',
    readinessProbe: { httpGet: { path: '/app-health/web/readiness', port: 15_020 } },
  };
  const { metadata } = injected.pod;
  const forged: Pod = { metadata, spec: { containers: [web, sidecar] } };
  for (const { kind, faults } of [
    uninjectPod(forged) as { kind: string; faults: readonly string[] },
    injectPod({ pod: forged, namespace: 'shop', owner: '' }, {}) as { kind: string; faults: readonly string[] },
  ])
    expect([kind, faults[0]]).toEqual([
      'refused',
      expect.stringContaining('OUTRIGGER_APP_PROBES is not what') as string,
    ]);
});
