/** Gets the programs that the benchmark needs, where they are missing: the first run on a machine takes minutes longer. */
import { installPeer } from '../test/peers/install-peer.ts';
import { type PeerName, peerNamed } from '../test/peers/peer-catalog.ts';
import { peerPath } from '../test/peers/peer-path.ts';
import type { PeerId } from './proxy.ts';

/** Without these nothing can be measured. */
const backends: readonly PeerName[] = ['nginx', 'backend'];
const loadGenerators: readonly PeerName[] = ['wrk', 'h2load', 'ghz'];

/** Returns one line per backend that can't be had; other missing programs are told, and what needs them is left out or replaced. */
export async function preparePeers(peers: readonly PeerId[], tell: (text: string) => void): Promise<string[]> {
  const proxies = peers.filter((peer) => peer !== 'outrigger');
  const wanted = new Set<PeerName>([...backends, ...loadGenerators, ...proxies]);
  const faults: string[] = [];
  for (const name of wanted) {
    if (peerPath(name) !== null) continue;
    tell(`getting ${name} …`);
    try {
      await installPeer(peerNamed(name)!);
    } catch (error) {
      const line = `${name} is missing: ${(error as Error).message}`;
      if (backends.includes(name)) faults.push(line);
      else tell(line);
    }
  }
  return faults;
}
