/** The backend of the body and gRPC scenarios: our Go program (test/peers/go/backend), which reads whole request bodies before it answers. */
import { peerPath } from '../../test/peers/peer-path.ts';
import { StartedProgram } from '../../test/peers/started-program.ts';
import { onLoadCore } from '../measure/cores.ts';

export interface GoBackend {
  readonly httpPort: number;
  readonly grpcPort: number;
}

export async function startGoBackend(): Promise<GoBackend> {
  const path = peerPath('backend');
  if (path === null) throw new Error('the Go backend is not built; node test/peers/install.ts backend builds it');
  const program = new StartedProgram('Go backend', onLoadCore([path]), { env: { GOMAXPROCS: '1' } });
  const line = await program.line(/^(\{.*\})$/m);
  const addresses = JSON.parse(line[1]!) as { http: string; grpc: string };
  return { httpPort: portOf(addresses.http), grpcPort: portOf(addresses.grpc) };
}

function portOf(address: string): number {
  return Number(address.slice(address.lastIndexOf(':') + 1));
}
