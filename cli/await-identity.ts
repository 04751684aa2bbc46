/**
 * The choice of an identity, with patience: a sidecar that starts while the control plane of this machine restarts finds no token, and would go on without an identity for as long as it lives.
 */
import type { SidecarFlags } from './sidecar-flags.ts';
import { awaitedProof, chooseIdentity, type IdentityChoice } from './sidecar-identity.ts';

const patienceMs = 10_000;
const stepMs = 250;

export interface Waiting {
  readonly sleep: (ms: number) => Promise<unknown>;
  /** Told once, when there is something to wait for. */
  readonly tell: (line: string) => void;
}

export async function awaitIdentity(
  flags: Pick<SidecarFlags, 'values' | 'noIdentity'>,
  environment: NodeJS.ProcessEnv,
  { sleep, tell }: Waiting,
): Promise<IdentityChoice> {
  for (let waitedMs = 0; waitedMs < patienceMs; waitedMs += stepMs) {
    const why = awaitedProof(flags, environment);
    if (why === '') break;
    if (waitedMs === 0)
      tell(
        `waiting up to ${patienceMs / 1000} s for the control plane of this machine: ${why} (--no-identity: not at all)`,
      );
    await sleep(stepMs);
  }
  return chooseIdentity(flags, environment);
}
