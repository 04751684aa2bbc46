/** The TLS door with its gRPC server behind it: who calls is asked first, the services come after. */
import type { MeshIdentity } from '../identity/mesh-identity.ts';
import { authenticating, LiveCalls } from './authenticating-call.ts';
import { grpcServer, type ServedService, shutDown } from './grpc-server.ts';
import { TlsDoor } from './tls-door.ts';

export interface OpenTlsDoorOptions {
  readonly identity: MeshIdentity;
  readonly services: readonly ServedService[];
  readonly after: (delayMs: number, callback: () => void) => () => void;
}

export interface OpenTlsDoor {
  readonly port: number;
  readonly connections: number;
  /** Streams and calls of callers who are known. */
  readonly calls: number;
  close(): Promise<void>;
}

const limits = { maxMessageBytes: 4 * 1024 * 1024, maxStreams: 100 };
const sweepMs = 1_000;

/** Sign has its proof in the request; health says nothing that is worth hiding. (Watching health would hold a place for ever, and takes a proof.) */
const openMethods: ReadonlySet<string> = new Set([
  '/outrigger.identity.v1.IdentityService/Sign',
  '/grpc.health.v1.Health/Check',
]);

/** Rejects with the system's error when the port cannot be had. */
export async function openTlsDoor(
  address: { readonly host: string; readonly port: number },
  { identity, services, after }: OpenTlsDoorOptions,
): Promise<OpenTlsDoor> {
  const onRefused = (reason: string): void => identity.metrics.refused(reason);
  const calls = new LiveCalls();
  const { refusalLog } = identity;
  // Null until it listens: a connection can be quicker than the promise below.
  let door: TlsDoor | null = null;
  const { server, notServing } = grpcServer(services, limits, [
    authenticating({
      authentication: identity.authentication,
      openMethods,
      calls,
      log: refusalLog,
      after,
      onRefused,
      onProven: (from, caller) => door?.proven(from, caller),
    }),
  ]);
  const opened = await TlsDoor.start(address, { server, credentials: identity.credentials, after, onRefused });
  door = opened;
  let stopSweep = (): void => {};
  const sweepLater = (): void => {
    stopSweep = after(sweepMs, () => {
      calls.sweep();
      opened.sweep();
      sweepLater();
    });
  };
  sweepLater();
  return {
    port: opened.port,
    get connections() {
      return opened.connections;
    },
    get calls() {
      return calls.size;
    },
    close: async () => {
      stopSweep();
      notServing();
      opened.close();
      await shutDown(server, after);
      opened.dropAll();
    },
  };
}
