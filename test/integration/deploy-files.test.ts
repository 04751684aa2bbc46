/** Files of deploy/ that say what the code says: the chart's kinds and knobs, and the words of the compose file. What helm makes of the chart is in test/interop/deploy-*.test.ts. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { sidecarHelp } from '../../cli/sidecar-flags.ts';
import { knobNames } from '../../control-plane/inject/knobs.ts';
import { chartCrdsFolder, chartFolder, crds } from '../../deploy/helm/chart.ts';

const root = join(import.meta.dirname, '../..');

test('the chart has the kinds of deploy/crds (node deploy/helm/print-manifests.ts copies them)', () => {
  expect(crds(chartCrdsFolder)).toEqual(crds());
});

test('the chart takes every knob that is not the chart’s own or a pod’s', () => {
  const schema = JSON.parse(readFileSync(join(chartFolder, 'values.schema.json'), 'utf8')) as {
    properties: { sidecar: { properties: object } };
  };
  const others = [
    'inject',
    'service',
    'app-ports',
    'image',
    'image-pull-policy',
    'control-plane',
    'trust-domain',
    'egress',
    // Podman reads no charts.
    'platform',
  ];
  expect([...Object.keys(schema.properties.sidecar.properties), ...others].toSorted()).toEqual(
    [...knobNames].toSorted(),
  );
});

test('the chart is of this version', () => {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  expect(parse(readFileSync(join(chartFolder, 'Chart.yaml'), 'utf8'))).toMatchObject({ version, appVersion: version });
});

test('the compose file has flags that there are', () => {
  const { services } = parse(readFileSync(join(root, 'deploy/compose/compose.yaml'), 'utf8'), { merge: true }) as {
    services: Readonly<Record<string, { readonly command: readonly string[] }>>;
  };
  const tokenHelp = execFileSync(join(root, 'bin/outrigger'), ['identity', 'token', 'create', '--help'], {
    encoding: 'utf8',
  });
  const help: Readonly<Record<string, string>> = {
    sidecar: sidecarHelp,
    'control-plane': execFileSync(join(root, 'bin/outrigger'), ['control-plane', '--help'], { encoding: 'utf8' }),
    identity: tokenHelp,
  };
  const seen = new Set<string>();
  for (const [name, { command }] of Object.entries(services)) {
    const words = help[command[0]!];
    if (words === undefined) continue;
    seen.add(command[0]!);
    for (const word of command.slice(1).filter((each) => each.startsWith('--')))
      expect(words, name).toContain(` ${word.split('=', 1)[0]} `);
  }
  expect([...seen].toSorted()).toEqual(['control-plane', 'identity', 'sidecar']);
});

test('no sidecar and no application of the compose file has the control plane’s data: its token is every identity, its folder the root’s key', () => {
  const { services } = parse(readFileSync(join(root, 'deploy/compose/compose.yaml'), 'utf8'), { merge: true }) as {
    services: Readonly<Record<string, { readonly volumes?: readonly string[]; readonly command: readonly string[] }>>;
  };
  const withData = Object.entries(services).filter(([, { volumes = [] }]) =>
    volumes.some((volume) => volume.startsWith('data:')),
  );
  expect(withData.map(([name]) => name).toSorted()).toEqual(['control-plane', 'orders-token', 'storefront-token']);
  for (const name of ['orders', 'storefront']) {
    const identity = `${name}-identity:/var/lib/outrigger`;
    expect(services[`${name}-token`]).toMatchObject({
      command: expect.arrayContaining([`--service=shop/${name}`, '--to=/var/lib/outrigger']),
      volumes: expect.arrayContaining([identity]),
    });
    expect(services[`${name}-sidecar`]!.volumes).toEqual([`${identity}:ro`]);
  }
});

test('docker leaves out of the image’s build what buildah and podman leave out', () => {
  expect(readFileSync(join(root, '.dockerignore'), 'utf8')).toBe(readFileSync(join(root, '.containerignore'), 'utf8'));
});
