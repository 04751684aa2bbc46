/** What `outrigger run` hands on to its sidecar about the identity. Proofs go by the environment: whatever is on a command line, ps shows to everybody. */
import { environmentName } from './environment.ts';
import { parseHostPort } from './host-port.ts';
import { proofFlags } from './sidecar-flags.ts';
import { UserError } from './user-error.ts';

export type ProofFlag = (typeof proofFlags)[number];

export interface IdentityOptions {
  readonly controlPlaneTls?: string;
  readonly joinToken?: string;
  readonly joinTokenFile?: string;
  readonly kubernetesTokenFile?: string;
  readonly serviceAccount?: string;
  readonly trustDomain?: string;
  readonly trustBundle?: string;
  readonly dataDir?: string;
  /** False: none is wanted. */
  readonly identity: boolean;
  readonly waitForProof?: boolean;
}

export function identityFlags(options: IdentityOptions): string[] {
  if (options.controlPlaneTls !== undefined) parseHostPort('--control-plane-tls', options.controlPlaneTls);
  const flags: ReadonlyArray<readonly [string, string | undefined]> = [
    ['--control-plane-tls', options.controlPlaneTls],
    ['--service-account', options.serviceAccount],
    ['--trust-domain', options.trustDomain],
    ['--trust-bundle', options.trustBundle],
    ['--data-dir', options.dataDir],
  ];
  const given = flags.flatMap(([flag, value]) => (value === undefined ? [] : [`${flag}=${value}`]));
  if (options.waitForProof === true) given.push('--wait-for-proof');
  return options.identity ? given : [...given, '--no-identity'];
}

/** What differs from our own environment; undefined: not there. `inWords`: the proofs that were given as flags, which win over those of the environment. */
export function identityEnvironment(
  options: IdentityOptions,
  inWords: readonly ProofFlag[],
): Record<string, string | undefined> {
  if (inWords.length === 0) return {};
  if (inWords.length > 1)
    throw new UserError(`${inWords.map((name) => `--${name}`).join(' and ')} are proofs of the same: give one`, 2);
  const values: Readonly<Record<ProofFlag, string | undefined>> = {
    'join-token': options.joinToken,
    'join-token-file': options.joinTokenFile,
    'kubernetes-token-file': options.kubernetesTokenFile,
  };
  return Object.fromEntries(
    proofFlags.map((name) => [environmentName(name), inWords.includes(name) ? values[name] : undefined]),
  );
}
