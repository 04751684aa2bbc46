/** The chart, as helm reads it, and the plain manifests that are made from it. Runs the pinned helm (test/peers). */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
export const chartFolder: string = join(here, 'outrigger');
export const manifestsFile: string = join(here, '../manifests/outrigger.yaml');
const crdsFolder = join(here, '../crds');
export const chartCrdsFolder: string = join(chartFolder, 'files/crds');

export interface HelmAnswer {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** In a home of its own: what the user has set up for helm does not count. */
export function runHelm(helm: string, words: readonly string[]): HelmAnswer {
  const home = mkdtempSync(join(tmpdir(), 'outrigger-helm-'));
  try {
    return spawnSync(helm, words, {
      encoding: 'utf8',
      maxBuffer: 64 << 20,
      env: { PATH: process.env['PATH'], HOME: home, KUBECONFIG: join(home, 'none') },
    });
  } finally {
    rmSync(home, { recursive: true });
  }
}

/** What `helm template` makes of the chart with these flags; throws an Error with helm's words when it refuses. */
export function renderChart(helm: string, flags: readonly string[] = []): string {
  const words = ['template', 'outrigger', chartFolder, '--namespace', 'outrigger-system', ...flags];
  const { status, stdout, stderr } = runHelm(helm, words);
  if (status !== 0) throw new Error(stderr);
  return stdout;
}

const header = `# Outrigger's control plane, its kinds, and the webhook that puts sidecars into pods, with the default values of the chart. Made from deploy/helm/outrigger by \`node deploy/helm/print-manifests.ts\`.
#
#   kubectl apply --server-side -f deploy/manifests/outrigger.yaml
apiVersion: v1
kind: Namespace
metadata:
  name: outrigger-system
  labels:
    app.kubernetes.io/part-of: outrigger
    pod-security.kubernetes.io/enforce: restricted
`;

export function manifestsText(helm: string): string {
  return `${header}${renderChart(helm)}`;
}

/** The chart's copies of deploy/crds: a chart has to have everything in its folder. By file name. */
export function crds(folder: string = crdsFolder): ReadonlyMap<string, string> {
  return new Map(
    readdirSync(folder)
      .toSorted()
      .map((name) => [name, readFileSync(join(folder, name), 'utf8')]),
  );
}
