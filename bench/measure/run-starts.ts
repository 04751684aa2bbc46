/** Measures how soon each proxy is ready after exec, and what it holds in memory while idle. Peers take turns, as in the other scenarios. */
import { freePorts } from '../../test/peers/free-port.ts';
import type { ContestantId, ProxyPeer } from '../proxy.ts';
import type { Backends } from '../scenarios.ts';
import { residentBytes } from './process-figures.ts';

export interface StartResult {
  readonly peer: ContestantId;
  readonly readyMs: readonly number[];
  readonly residentIdleBytes: readonly number[];
  readonly failure: string;
}

/** Long enough for what a proxy does once after it is ready. */
const settleMs = 1500;

export async function runStarts(
  peers: readonly ProxyPeer[],
  backends: Backends,
  rounds: number,
  tell: (text: string) => void,
): Promise<StartResult[]> {
  const results = peers.map((peer) => ({
    peer: peer.id,
    readyMs: [] as number[],
    residentIdleBytes: [] as number[],
    failure: '',
  }));
  for (let round = 0; round < rounds; round++) {
    for (const [index, peer] of peers.entries()) {
      const result = results[index]!;
      if (result.failure !== '') continue;
      const [listenPort, adminPort] = (await freePorts(2)) as [number, number];
      try {
        const proxy = await peer.start({
          downstream: 'http1',
          upstream: 'http1',
          upstreamPort: backends.nginx.http1Port,
          tls: null,
          listenTls: null,
          routes: 1,
          policies: 0,
          resilience: false,
          listenPort,
          adminPort,
          folder: backends.folder,
        });
        await new Promise((resolve) => setTimeout(resolve, settleMs));
        proxy.program.failIfEnded();
        result.readyMs.push(proxy.readyMs);
        result.residentIdleBytes.push(residentBytes(proxy.program.pid));
        await proxy.program.stop();
        tell(
          `start: round ${round + 1} of ${rounds}, ${peer.id} ready after ${proxy.readyMs.toFixed(0)} ms, ${(result.residentIdleBytes.at(-1)! / 2 ** 20).toFixed(0)} MiB idle`,
        );
      } catch (error) {
        result.failure = (error as Error).message;
        tell(`start: ${peer.id} FAILED: ${result.failure}`);
      }
    }
  }
  return results;
}
