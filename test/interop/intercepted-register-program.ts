/** Registers one instance over the TLS door of the control plane in this network namespace. Started by {@link InterceptedPods}. */
import { readFileSync } from 'node:fs';
import { RegistryClient } from './registry-client.ts';

const { tlsPort, token, trustBundle, service, address, port, portName } = JSON.parse(process.argv[2]!) as {
  readonly tlsPort: number;
  readonly token: string;
  readonly trustBundle: string;
  readonly service: string;
  readonly address: string;
  readonly port: number;
  readonly portName: string;
};
const registry = new RegistryClient(tlsPort, { token, roots: readFileSync(trustBundle) });
await registry.register(service, `${service}-${address}-${port}`, port, 300, { address, portName });
registry.close();
