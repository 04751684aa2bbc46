/** The registration API as a program beside the mesh would use it, for tests that move endpoints. */
import { create, type Message } from '@bufbuild/protobuf';
import { type Client, credentials, Metadata, type MethodDefinition, makeClientConstructor } from '@grpc/grpc-js';
import {
  DeregisterRequestSchema,
  InstanceSchema,
  RegisterRequestSchema,
  type RegisterResponse,
  RegistryService,
} from '../../proto/generated/outrigger/registry/v1/registry_pb.js';
import { grpcService } from '../../proto/grpc-service.ts';

const deadlineMs = 5000;

export class RegistryClient {
  readonly #client: Client;
  readonly #methods: ReturnType<typeof grpcService>;

  readonly #metadata = new Metadata();

  /** `proof`: for the TLS door. */
  constructor(port: number, proof: { readonly token: string; readonly roots: Buffer } | null = null) {
    this.#methods = grpcService(RegistryService);
    const Registry = makeClientConstructor(this.#methods, 'Registry');
    if (proof !== null) this.#metadata.set('authorization', `Bearer ${proof.token}`);
    const secure =
      proof === null
        ? credentials.createInsecure()
        : credentials.createSsl(proof.roots, null, null, { checkServerIdentity: () => undefined });
    this.#client = new Registry(`127.0.0.1:${port}`, secure, {
      // Node 26 takes no address as a server name, and grpc-js would send one.
      'grpc.ssl_target_name_override': 'control-plane.test',
      // Two tests may have the same port, one after the other.
      'grpc.use_local_subchannel_pool': 1,
    });
  }

  /** Returns the lease. */
  async register(
    service: string,
    instanceId: string,
    port: number,
    ttlSeconds = 60,
    { address = '127.0.0.1', portName = '' }: { readonly address?: string; readonly portName?: string } = {},
  ): Promise<string> {
    const instance = create(InstanceSchema, { namespace: 'shop', service, instanceId, address, port, portName });
    const answer = await this.#call<RegisterResponse>(
      'register',
      create(RegisterRequestSchema, { instance, ttlSeconds }),
    );
    return answer.leaseId;
  }

  async deregister(leaseId: string): Promise<void> {
    await this.#call('deregister', create(DeregisterRequestSchema, { leaseId }));
  }

  close(): void {
    this.#client.close();
  }

  #call<Response>(name: string, message: Message): Promise<Response> {
    const method = this.#methods[name] as MethodDefinition<Message, Message>;
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        message,
        this.#metadata,
        { deadline: Date.now() + deadlineMs },
        (error, answer) => (error === null ? resolve(answer as unknown as Response) : reject(error)),
      );
    });
  }
}
