/** Which places on this machine's loopback are registered with its control plane as instances of services, as its plain door tells every program of the machine (RegistryService/Watch). */
import '../quiet-grpc.ts';
import { create } from '@bufbuild/protobuf';
import { type Client, type ClientReadableStream, credentials, makeClientConstructor } from '@grpc/grpc-js';
import {
  type Instance,
  RegistryService,
  WatchRequestSchema,
  type WatchResponse,
} from '../../proto/generated/outrigger/registry/v1/registry_pb.js';
import { grpcService } from '../../proto/grpc-service.ts';
import { formatHostPort, type HostPort, isLoopback } from '../host-port.ts';

type Watching = Pick<Instance, 'namespace' | 'service' | 'instanceId' | 'address' | 'port'>;

type WatchClient = Client & { watch(request: unknown): ClientReadableStream<WatchResponse> };

const againMs = 1_000;

/** Instances as the answers of a watch say them, those of one service left out. Knows no connection. */
export class LoopbackInstances {
  readonly #except: string;
  readonly #instances = new Map<string, Watching>();

  /** `except`: NAMESPACE/NAME. */
  constructor(except: string) {
    this.#except = except;
  }

  apply({
    full,
    instances,
    removed,
  }: {
    readonly full: boolean;
    readonly instances: readonly Watching[];
    readonly removed: readonly Watching[];
  }): void {
    if (full) this.#instances.clear();
    for (const each of removed) this.#instances.delete(keyOf(each));
    for (const each of instances) this.#instances.set(keyOf(each), each);
  }

  /** By their text. */
  addresses(): ReadonlyMap<string, HostPort> {
    const found = new Map<string, HostPort>();
    for (const { namespace, service, address: host, port } of this.#instances.values())
      if (isLoopback(host) && `${namespace}/${service}` !== this.#except) found.set(`${host}:${port}`, { host, port });
    return found;
  }
}

/** Watches until it is closed; what was known goes on to hold while the control plane is away. */
export class RegisteredLoopback {
  readonly #client: WatchClient;
  readonly #instances: LoopbackInstances;
  readonly #onChange: (addresses: ReadonlyMap<string, HostPort>) => void;
  #stream: ClientReadableStream<WatchResponse> | null = null;
  #timer: NodeJS.Timeout | null = null;
  #closed = false;

  constructor(controlPlane: HostPort, except: string, onChange: (addresses: ReadonlyMap<string, HostPort>) => void) {
    const ClientClass = makeClientConstructor(grpcService(RegistryService), 'RegistryService');
    this.#client = new ClientClass(formatHostPort(controlPlane), credentials.createInsecure(), {
      'grpc.max_reconnect_backoff_ms': 2_000,
    }) as unknown as WatchClient;
    this.#instances = new LoopbackInstances(except);
    this.#onChange = onChange;
    this.#watch();
  }

  #watch(): void {
    const stream = this.#client.watch(create(WatchRequestSchema, {}));
    this.#stream = stream;
    stream.on('data', (answer: WatchResponse) => {
      this.#instances.apply(answer);
      this.#onChange(this.#instances.addresses());
    });
    // Its end follows.
    stream.on('error', () => {});
    stream.once('close', () => {
      if (this.#closed) return;
      this.#timer = setTimeout(() => this.#watch(), againMs);
      this.#timer.unref();
    });
  }

  close(): void {
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#stream?.cancel();
    this.#client.close();
  }
}

function keyOf({ namespace, service, instanceId }: Watching): string {
  return `${namespace}/${service}/${instanceId}`;
}
