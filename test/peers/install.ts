/**
 * `node test/peers/install.ts [NAME…]`: gets the real peers (all, or those named), one line each. Exit 1 when one can't be had, 2 for a name it does not know.
 */
import { installPeer } from './install-peer.ts';
import { type Peer, peerNamed, peers } from './peer-catalog.ts';
import { peerPath, peerVersion } from './peer-path.ts';

const names = process.argv.slice(2);
const unknown = names.filter((name) => peerNamed(name) === null);
if (unknown.length > 0) {
  console.error(`install: no peer ${unknown.join(', ')}; there are ${peers.map((peer) => peer.name).join(', ')}`);
  process.exit(2);
}
const wanted = names.length === 0 ? peers : peers.filter((peer) => names.includes(peer.name));

// Packages come over the network while Go builds; two Go builds at once would only fight for the cores.
const builds = wanted.filter((peer) => peer.source.kind.startsWith('go'));
const packages = wanted.filter((peer) => !peer.source.kind.startsWith('go'));
const first = (await Promise.all([installAll(packages), installAll(builds)])).flat();
// A network or a registry that failed for a moment: what it left is cached, so that trying again is quick.
const missing = await installAll(first);
if (missing.length > 0) {
  console.log(`${missing.length} of ${wanted.length} peers are missing: ${missing.map(({ name }) => name).join(', ')}`);
  process.exitCode = 1;
}

async function installAll(list: readonly Peer[]): Promise<Peer[]> {
  const failed: Peer[] = [];
  for (const peer of list) {
    const started = performance.now();
    try {
      await installPeer(peer);
      const path = peerPath(peer.name);
      console.log(
        `ok       ${peer.name} ${peerVersion(peer)} (${((performance.now() - started) / 1000).toFixed(1)} s) ${path}`,
      );
    } catch (error) {
      console.log(`missing  ${peer.name} ${peerVersion(peer)}: ${(error as Error).message}`);
      failed.push(peer);
    }
  }
  return failed;
}
