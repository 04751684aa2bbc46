/**
 * Who calls: by the client certificate of the connection, else by `authorization: Bearer …`, a join token or a Kubernetes service account token. What was proven at a stream's start is not proven for ever: each caller
 * can be asked again.
 */
import type { CertificateAuthority } from '../../certs/authority/certificate-authority.ts';
import { IdentityFault } from '../../certs/identity-fault.ts';
import type { JoinTokens } from '../../certs/join-token/join-tokens.ts';
import { controlPlaneId } from '../../certs/spiffe/control-plane-id.ts';
import { serviceAccountId } from '../../certs/spiffe/spiffe-id.ts';
import {
  type ConnectionContext,
  type ConnectionIdentity,
  connectionIdentity,
} from '../identity/connection-identity.ts';
import type { TokenReview } from '../identity/token-review.ts';
import type { Caller } from './caller.ts';
import { asUnauthenticated } from './refusal.ts';

export interface AuthenticationOptions {
  readonly authority: CertificateAuthority;
  readonly joinTokens: JoinTokens;
  /** Null: not in Kubernetes. */
  readonly tokenReview: TokenReview | null;
  readonly nowMs: () => number;
}

/** Bearers without an end of their own, as Kubernetes' review tells none: asked for again after this long. */
const reviewLastsMs = 60 * 60_000;

export class Authentication {
  readonly #options: AuthenticationOptions;

  constructor(options: AuthenticationOptions) {
    this.#options = options;
  }

  /** By the connection's certificate; null when it has none that this mesh has signed. Throws IdentityFault `token-refused`. */
  byCertificate(context: ConnectionContext): Caller | null {
    const { authority, nowMs } = this.#options;
    let identity: ConnectionIdentity | null;
    try {
      identity = connectionIdentity(context, authority, nowMs());
    } catch (error) {
      throw asUnauthenticated(error);
    }
    if (identity === null) return null;
    const { id, leaf } = identity;
    authority.holders.seen(leaf.serial);
    return {
      proof: 'certificate',
      words: id.text,
      certificate: leaf,
      speaksFor: (wanted) => wanted.text === id.text,
      fault: () => {
        if (nowMs() > leaf.notAfterMs)
          return `the certificate of ${id.text} expired at ${new Date(leaf.notAfterMs).toISOString()}; connect with a new one`;
        return authority.signedByRetired(leaf)
          ? `who signed the certificate of ${id.text} is trusted no more; connect with a new one`
          : '';
      },
      useFor: () => {},
    };
  }

  /** `authorization`: the values of that header; `host`: where it comes from. Rejects with IdentityFault `token-refused`, or TokenReviewUnavailable. */
  async byToken(authorization: readonly string[], host: string): Promise<Caller> {
    const [value, ...others] = authorization;
    if (value === undefined || others.length > 0)
      throw new IdentityFault(
        'token-refused',
        value === undefined
          ? 'this takes a client certificate of this mesh, or "authorization: Bearer" with a join token or Kubernetes token'
          : 'there are several authorization headers; send one',
      );
    const token = /^bearer +([\x21-\x7e]+)$/i.exec(value)?.[1];
    if (token === undefined) throw new IdentityFault('token-refused', 'the authorization header is not "Bearer TOKEN"');
    if (!token.startsWith('ojt_')) return this.#byKubernetesToken(token, host);
    const { words, speaksFor, fault, useFor } = this.#options.joinTokens.holder(token);
    return { proof: 'join_token', words, certificate: null, speaksFor, fault, useFor };
  }

  async #byKubernetesToken(token: string, host: string): Promise<Caller> {
    const { tokenReview, authority, nowMs } = this.#options;
    if (tokenReview === null)
      throw new IdentityFault(
        'token-refused',
        'this control plane takes no Kubernetes tokens (--kubernetes-api); use a join token',
      );
    const { namespace, serviceAccount } = await tokenReview.review(token, { host, signing: false });
    const id = serviceAccountId(authority.trustDomain, namespace, serviceAccount);
    if (id.text === controlPlaneId(authority.trustDomain).text)
      throw new IdentityFault('token-refused', `${id.text} is the control plane's own identity, and no caller's`);
    const untilMs = Math.min(tokenEndMs(token), nowMs() + reviewLastsMs);
    return {
      proof: 'kubernetes_token',
      words: id.text,
      certificate: null,
      speaksFor: (wanted) => wanted.text === id.text,
      fault: () => (nowMs() < untilMs ? '' : `the Kubernetes token of ${id.text} has to be shown again`),
      useFor: () => {},
    };
  }
}

/** The `exp` of a JSON web token that Kubernetes has vouched for. */
function tokenEndMs(token: string): number {
  try {
    const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as {
      readonly exp?: unknown;
    };
    return typeof claims.exp === 'number' ? claims.exp * 1000 : Number.POSITIVE_INFINITY;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
