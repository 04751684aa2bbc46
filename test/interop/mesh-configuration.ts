/** Configuration of our control plane, as the tests write it: services and routes of the namespace `shop`. */
import { stringify } from 'yaml';
import type { Json } from './envoy-resources.ts';

/** Several documents in one file. */
export function mesh(...documents: readonly Json[]): string {
  return documents.map((document) => stringify(document)).join('---\n');
}

export function service(name: string, ports: readonly number[], protocol = 'http'): Json {
  return {
    apiVersion: 'outrigger.dev/v1',
    kind: 'Service',
    metadata: { name, namespace: 'shop' },
    spec: {
      ports: [{ name: 'main', port: 80, appProtocol: protocol }],
      endpoints: ports.map((port) => ({ address: '127.0.0.1', port })),
    },
  };
}

export function httpRoute(name: string, parent: string, rules: readonly Json[]): Json {
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata: { name, namespace: 'shop' },
    spec: { parentRefs: [{ kind: 'Service', group: '', name: parent }], rules },
  };
}

export function backendRef(name: string, weight = 1): Json {
  return { name, port: 80, weight };
}
