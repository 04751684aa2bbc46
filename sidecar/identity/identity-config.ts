/** What a sidecar that is to have an identity has to know: whom it asks, by which proof, and whom it believes. Read and checked by the program (cli/sidecar-identity.ts). */

/** What stands for who we are before there is a certificate. */
export interface IdentityProof {
  readonly kind: 'join-token' | 'kubernetes-token';
  /** For people, never the token: `the join token in /run/token`. */
  readonly what: string;
  /** Asked anew each time, as files are replaced. Throws with a reason when there is none. */
  read(): string;
  /** What is turned down once stays turned down: a join token that is used up, expired or somebody else's does not become good by waiting. Absent: another may come in its place. */
  readonly final?: boolean;
}

export interface IdentityConfig {
  readonly trustDomain: string;
  /** The ID to ask for; '': the proof's only one. */
  readonly wantedId: string;
  readonly proof: IdentityProof;
  /** The roots for first contact, as PEM; asked anew each time. Throws with a reason. */
  readTrustBundle(): string;
  /** Cluster to the control plane with our own certificate: renewal, WatchBundle, ADS, registration. */
  readonly clusterName: string;
  /** The same without one. */
  readonly firstContactClusterName: string;
  /** Within this all renew when another authority signs. Default one minute. */
  readonly authorityWindowMs?: number;
}
