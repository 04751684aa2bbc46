/** Who is at the other end of a call on the TLS door, as its handlers see it. On the plain door there is nobody to know: null. */
import type { ServerInterceptingCall } from '@grpc/grpc-js';
import type { IssuingReason } from '../../certs/authority/certificate-authority.ts';
import type { SpiffeId } from '../../certs/spiffe/spiffe-id.ts';

type AuthContext = ReturnType<ServerInterceptingCall['getAuthContext']>;

/** What is told of a certificate: never a key. */
export interface CertificateLife {
  /** Lower-case hexadecimal. */
  readonly serial: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

export interface Caller {
  readonly proof: IssuingReason['proof'];
  /** For logs and refusals: an identity, or which token. */
  readonly words: string;
  /** What it showed; null: a token. */
  readonly certificate: CertificateLife | null;
  speaksFor(id: SpiffeId): boolean;
  /** Why it counts no more; '' while it does. Asked again as long as a stream lives. */
  fault(): string;
  /** A proxy that calls itself this gets a key for the proof. Throws IdentityFault `token-refused` when the proof is good for no more of them. */
  useFor(nodeId: string): void;
}

/** What the door adds to grpc-js's context of a call (authenticating-call.ts). */
export interface DoorContext extends AuthContext {
  readonly caller?: Caller | null;
}

/** Null: the call came by the plain door, or is one of the few that need no proof. */
export function callerOf(call: { getAuthContext(): AuthContext }): Caller | null {
  return (call.getAuthContext() as DoorContext).caller ?? null;
}
