/** Loads the shop's gRPC services for its servers and clients. */
import { fileURLToPath } from 'node:url';
import { type GrpcObject, loadPackageDefinition, type ServiceClientConstructor } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

const definition = loadSync(fileURLToPath(new URL('./shop.proto', import.meta.url)), { longs: Number, defaults: true });
const shop = (loadPackageDefinition(definition)['shop'] as GrpcObject)['v1'] as GrpcObject;

export const Payments = shop['Payments'] as ServiceClientConstructor;
export const Inventory = shop['Inventory'] as ServiceClientConstructor;

/** Names the service that is meant: the sidecar routes by it. */
export function callOptions(service: string): Record<string, string> {
  return { 'grpc.default_authority': service };
}
