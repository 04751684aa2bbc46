/**
 * The choice of an identity, with patience: a sidecar that starts while the control plane of this machine is away finds no token, and would go on without an identity, and with plaintext, for as long as it
 * lives. Where an authority has been, it waits as long as it takes; where none was seen yet, for a while, as one may be about to be made.
 */
import type { SidecarFlags } from './sidecar-flags.ts';
import { awaitedProof, chooseIdentity, type IdentityChoice } from './sidecar-identity.ts';

const patienceMs = 10_000;
const stepMs = 250;
const tellEveryMs = 10_000;

export interface Waiting {
  readonly sleep: (ms: number) => Promise<unknown>;
  /** Told every 10 s, when there is something to wait for. */
  readonly tell: (line: string) => void;
}

export async function awaitIdentity(
  flags: Pick<SidecarFlags, 'values' | 'noIdentity'>,
  environment: NodeJS.ProcessEnv,
  { sleep, tell }: Waiting,
): Promise<IdentityChoice> {
  for (let waitedMs = 0; ; waitedMs += stepMs) {
    const awaited = awaitedProof(flags, environment);
    if (awaited === null || (!awaited.authority && waitedMs >= patienceMs)) break;
    if (waitedMs % tellEveryMs === 0)
      tell(
        `waiting for the control plane of this machine, which proves who this is${awaited.authority ? '' : `, up to ${patienceMs / 1000} s`}: ${awaited.why} (--no-identity: not at all, and no mTLS)`,
      );
    await sleep(stepMs);
  }
  return chooseIdentity(flags, environment);
}
