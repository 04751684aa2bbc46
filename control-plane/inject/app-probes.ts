/**
 * Probes of the application's containers, led through the sidecar's health port: the kubelet is in no mesh, so its own probes would be refused where callers have to show who they are, and an intercepted
 * TCP probe would only reach the sidecar. The original stands in a variable of the sidecar, which makes it (sidecar/app-health/). Exec probes stay as they are.
 */
import { z } from 'zod';
import { appDrainPath, appHealthPath, healthPort } from './own-names.ts';
import { type Container, type Probe, probeHandlers } from './pod.ts';

const originalProbe = z.strictObject({
  httpGet: probeHandlers.httpGet.optional(),
  tcpSocket: probeHandlers.tcpSocket.optional(),
  grpc: probeHandlers.grpc.optional(),
  /** The handler's, where that names one of the container's ports. */
  port: z.int().min(1).max(65_535),
  timeoutSeconds: z.number(),
});
const appProbes = z.record(z.string(), originalProbe);

/** A probe's handler as it was written, and what the sidecar needs beside it. */
export type OriginalProbe = Readonly<z.infer<typeof originalProbe>>;

/** By path on the health port. */
export type AppProbes = Readonly<Record<string, OriginalProbe>>;

/** The value of the sidecar's variable. No $ stands in it: Kubernetes puts other variables into $(NAME), and takes $$ for $, which podman does not; JSON has its own way to write one. */
export function appProbesText(probes: AppProbes): string {
  return JSON.stringify(probes).replaceAll('$', '\\u0024');
}

/** Null: that is not what injection wrote. */
export function readAppProbes(text: string): AppProbes | null {
  try {
    const value: unknown = JSON.parse(text);
    return appProbes.safeParse(value).success ? (value as AppProbes) : null;
  } catch {
    return null;
  }
}

export const probeFields = ['startupProbe', 'livenessProbe', 'readinessProbe'] as const;
const handlers = ['httpGet', 'tcpSocket', 'grpc'] as const;

/** The first that has a value. */
export function probeHandler(probe: Probe): (typeof handlers)[number] | undefined {
  return handlers.find((name) => probe[name] !== undefined && probe[name] !== null);
}

/** The container with its probes led here; those that are, go into `probes`. What stays as it is for a reason is told. */
export function rewriteProbes(
  container: Container,
  probes: Record<string, OriginalProbe>,
  warnings: string[],
): Container {
  const changed: Record<string, Probe> = {};
  for (const field of probeFields) {
    const probe = container[field];
    if (probe === undefined || probe === null) continue;
    const handler = probeHandler(probe);
    if (handler === undefined) continue;
    const { port: named, host } = probe[handler] as { readonly port: number | string; readonly host?: string | null };
    // Somebody else is asked then, and from the node.
    if (typeof host === 'string' && host !== '') continue;
    const port = typeof named === 'number' ? named : portNamed(container, named);
    if (port === null || port < 1 || port > 65_535) {
      warnings.push(
        `container ${container.name}: ${field}.${handler}.port: ${JSON.stringify(named)} is no port of this container; the probe is left as it is`,
      );
      continue;
    }
    const path = `${appHealthPath}${container.name}/${field.slice(0, -'Probe'.length)}`;
    probes[path] = { [handler]: probe[handler]!, port, timeoutSeconds: probe.timeoutSeconds ?? 1 };
    changed[field] = withHandler(probe, handler, 'httpGet', { path, port: healthPort });
  }
  return Object.keys(changed).length === 0 ? container : { ...container, ...changed };
}

/** The container with the probes that it had. `restored`: gets the paths of those. */
export function restoreProbes(container: Container, probes: AppProbes, restored: Set<string>): Container {
  const changed: Record<string, Probe> = {};
  for (const field of probeFields) {
    const probe = container[field];
    const { path = '', port } = probe?.httpGet ?? {};
    if (path === null || port !== healthPort || !Object.hasOwn(probes, path)) continue;
    const original = probes[path]!;
    const handler = handlers.find((name) => Object.hasOwn(original, name));
    if (handler === undefined) continue;
    restored.add(path);
    changed[field] = withHandler(probe!, 'httpGet', handler, original[handler]);
  }
  return Object.keys(changed).length === 0 ? container : { ...container, ...changed };
}

/** At the place of the other one. */
function withHandler(probe: Probe, from: string, to: string, value: unknown): Probe {
  return Object.fromEntries(
    Object.entries(probe)
      // A handler without a value is none.
      .filter(([key]) => key === from || key !== to)
      .map(([key, each]) => (key === from ? [to, value] : [key, each])),
  ) as Probe;
}

function portNamed({ ports }: Container, name: string): number | null {
  if (/^\d{1,5}$/.test(name)) return Number(name);
  return ports?.find((port) => port.name === name)?.containerPort ?? null;
}

/**
 * The container waits, before it is told to end, until callers have heard that the pod goes: by a preStop hook, unless it has one of its own. `created`: gets what was not there.
 */
export function addDrainHook(container: Container, created: string[], empty: string[]): Container {
  const { lifecycle } = container;
  if ((lifecycle?.preStop ?? null) !== null) return container;
  if (lifecycle === undefined) created.push(lifecyclePath(container));
  else if (lifecycle === null) empty.push(lifecyclePath(container));
  else if (lifecycle.preStop === null) empty.push(`${lifecyclePath(container)}.preStop`);
  return { ...container, lifecycle: { ...lifecycle, preStop: { httpGet: { path: appDrainPath, port: healthPort } } } };
}

export function removeDrainHook(
  container: Container,
  { created, empty }: { readonly created: readonly string[]; readonly empty: readonly string[] },
): Container {
  const { lifecycle, ...others } = container;
  const hook = (lifecycle?.preStop?.httpGet ?? null) as { readonly path?: unknown; readonly port?: unknown } | null;
  if (hook?.path !== appDrainPath || hook.port !== healthPort) return container;
  const { preStop: _, ...rest } = lifecycle!;
  const at = lifecyclePath(container);
  if (Object.keys(rest).length === 0 && created.includes(at)) return others as Container;
  if (Object.keys(rest).length === 0 && empty.includes(at)) return { ...container, lifecycle: null };
  return { ...container, lifecycle: empty.includes(`${at}.preStop`) ? { ...rest, preStop: null } : rest };
}

function lifecyclePath({ name }: Container): string {
  return `${name}.lifecycle`;
}

/** What the kubelet calls at the pod's own address beside probes, where strict identities would refuse it. */
export function hookWarnings({ name, lifecycle }: Container): readonly string[] {
  return (['postStart', 'preStop'] as const)
    .filter((hook) => (lifecycle?.[hook]?.httpGet ?? null) !== null)
    .map(
      (hook) =>
        `container ${name}: lifecycle.${hook}.httpGet is called by the kubelet, which has no identity: where callers need one (PeerAuthentication STRICT) it is refused; use exec, or exclude its port (outrigger.dev/exclude-inbound-ports)`,
    );
}
