/** Looks whether the shop is ready: whether a port is taken, and whether every sidecar knows every instance. */
import { connect } from 'node:net';
import type { ShopInstance } from './shop.ts';

/** Somebody listens there. */
export function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

/** Asks again until it is so. Rejects with `otherwise` and the limit. */
export async function until(condition: () => Promise<boolean>, otherwise: string, limitMs: number): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`${otherwise} within ${limitMs / 1000} s`);
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
}

/** Whether `/clusters` of a sidecar has a healthy host for each of the instances, so that no call meets an empty service. */
export function knowsInstances(clustersText: string, instances: readonly ShopInstance[]): boolean {
  const hosts = new Map<string, number>();
  for (const line of clustersText.split('\n')) {
    const match = /^outbound\|\d+\|\|([^:]+)::[^:]+:\d+::health_flags::healthy$/.exec(line);
    if (match !== null) hosts.set(match[1]!, (hosts.get(match[1]!) ?? 0) + 1);
  }
  const wanted = new Map<string, number>();
  for (const { service } of instances) {
    const [namespace, name] = service.split('/');
    const key = `${name}.${namespace}`;
    wanted.set(key, (wanted.get(key) ?? 0) + 1);
  }
  return [...wanted].every(([name, count]) => (hosts.get(name) ?? 0) >= count);
}
