/** The names under which the sidecar's own identity answers for secrets: they are never asked for by SDS. */

/** Own certificate and key. */
export const certificateSecret = 'default';
/** What peers are judged by. */
export const trustSecret = 'ROOTCA';
/** What the control plane is judged by at first contact: the roots that the operator gave. */
export const firstContactSecret = 'outrigger-trust-bundle';

export const localSecretNames: ReadonlySet<string> = new Set([certificateSecret, trustSecret, firstContactSecret]);
