/** The one error of `certs/`: what is wrong with a certificate, a key, a request for one, a token or a file of them. Its reason is for programs and counters, its message for people. */

export type IdentityFaultReason =
  // What was sent or stored can't be read.
  | 'malformed'
  | 'too-large'
  | 'invalid-spiffe-id'
  | 'unsafe-file'
  // Keys and signatures.
  | 'unsupported-key'
  | 'unsupported-signature'
  | 'bad-signature'
  | 'key-mismatch'
  // Certificates.
  | 'not-a-ca'
  | 'not-a-leaf'
  | 'key-usage'
  | 'path-length'
  | 'unknown-critical-extension'
  | 'no-identity'
  | 'several-identities'
  | 'not-yet-valid'
  | 'expired'
  | 'broken-chain'
  | 'untrusted'
  | 'wrong-trust-domain'
  // Proofs and permissions.
  | 'token-refused'
  | 'not-allowed'
  // Good, and too often or too many of them: later it may be different.
  | 'exhausted'
  // The authority itself.
  | 'rotation-state'
  | 'log-failed';

export class IdentityFault extends Error {
  override readonly name = 'IdentityFault';
  readonly reason: IdentityFaultReason;

  constructor(reason: IdentityFaultReason, message: string) {
    super(message);
    this.reason = reason;
  }
}
