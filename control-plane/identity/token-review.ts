/** Asks Kubernetes whose a service account token is (TokenReview, authentication.k8s.io/v1). The token has to be for us: one that was made for another audience is refused. */
import { IdentityFault } from '../../certs/identity-fault.ts';
import type { ServiceAccount } from '../../certs/spiffe/spiffe-id.ts';

export interface TokenReviewOptions {
  /** As `https://kubernetes.default.svc`. */
  readonly apiServer: string;
  /** Our own credential; asked each time, as the mounted file changes. */
  readonly bearerToken: () => string;
  /** Whom tokens have to be for. */
  readonly audience: string;
  /** With the cluster's CA. */
  readonly fetch: (
    url: string,
    init: { method: string; headers: Record<string, string>; body: string; signal: AbortSignal; redirect: 'error' },
  ) => Promise<TokenReviewAnswer>;
  /** Default 5 s. */
  readonly timeoutMs?: number;
  /** Reviews at a time. Default 32; a quarter of them is for signing only. */
  readonly maxInFlight?: number;
  /** Of these, for one remote address. Default 8. */
  readonly maxInFlightOfOne?: number;
  /** Wall clock. Default: the system's. */
  readonly nowMs?: () => number;
}

/** Who shows a token, and what for: a first certificate goes before streams. */
export interface TokenBearer {
  /** Remote address without its port. */
  readonly host: string;
  readonly signing: boolean;
}

export interface TokenReviewAnswer {
  readonly status: number;
  text(): Promise<string>;
}

/** The API server can't be asked: nothing is known about the token, and it is worth to try again. */
export class TokenReviewUnavailable extends Error {}

const maxTokenBytes = 16 * 1024;
/** Between the cluster's clock and ours. */
const clockSkewMs = 60_000;
const maxAnswerBytes = 256 * 1024;

export class TokenReview {
  readonly #options: TokenReviewOptions;
  readonly #inFlightOf = new Map<string, number>();
  #inFlight = 0;

  constructor(options: TokenReviewOptions) {
    this.#options = options;
  }

  /** Whose token it is. Rejects with IdentityFault `token-refused`, or TokenReviewUnavailable. */
  async review(token: string, { host, signing }: TokenBearer): Promise<ServiceAccount> {
    const { audience, maxInFlight = 32, maxInFlightOfOne = 8, nowMs = Date.now } = this.#options;
    // What anybody can see is wrong costs the API server nothing.
    checkForm(token, audience, nowMs());
    const ofOne = this.#inFlightOf.get(host) ?? 0;
    const places = signing ? maxInFlight : Math.ceil(maxInFlight * 0.75);
    if (this.#inFlight >= places || ofOne >= maxInFlightOfOne)
      throw new TokenReviewUnavailable('too many Kubernetes tokens are being checked; try again');
    this.#inFlight++;
    this.#inFlightOf.set(host, ofOne + 1);
    try {
      return readReview(await this.#ask(token), audience);
    } finally {
      this.#inFlight--;
      const rest = this.#inFlightOf.get(host)! - 1;
      if (rest === 0) this.#inFlightOf.delete(host);
      else this.#inFlightOf.set(host, rest);
    }
  }

  async #ask(token: string): Promise<string> {
    const { apiServer, bearerToken, audience, fetch, timeoutMs = 5000 } = this.#options;
    let answer: TokenReviewAnswer;
    let text: string;
    try {
      answer = await fetch(`${apiServer}/apis/authentication.k8s.io/v1/tokenreviews`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${bearerToken()}`,
          'content-type': 'application/json',
          accept: 'application/json',
        },
        body: JSON.stringify({
          apiVersion: 'authentication.k8s.io/v1',
          kind: 'TokenReview',
          spec: { token, audiences: [audience] },
        }),
        signal: AbortSignal.timeout(timeoutMs),
        redirect: 'error',
      });
      text = await answer.text();
    } catch (error) {
      throw new TokenReviewUnavailable(`Kubernetes can't be asked about the token: ${(error as Error).message}`);
    }
    if (answer.status === 403)
      throw new TokenReviewUnavailable(
        'Kubernetes lets the control plane ask about no tokens; give its service account the cluster role system:auth-delegator',
      );
    if (answer.status !== 200 && answer.status !== 201)
      throw new TokenReviewUnavailable(`Kubernetes answered ${answer.status} when asked about the token`);
    if (text.length > maxAnswerBytes)
      throw new TokenReviewUnavailable('Kubernetes gave an answer about the token that is too long');
    return text;
  }
}

/** Claims are believed only to refuse: whether they are true, Kubernetes says. */
function checkForm(token: string, audience: string, nowMs: number): void {
  const noToken = new IdentityFault('token-refused', 'the Kubernetes token has not the form of one');
  const parts = /^[A-Za-z0-9_-]+\.([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]+$/.exec(token);
  if (token.length > maxTokenBytes || parts === null) throw noToken;
  let claims: { readonly exp?: unknown; readonly aud?: unknown } | null;
  try {
    claims = JSON.parse(Buffer.from(parts[1]!, 'base64url').toString()) as typeof claims;
  } catch {
    throw noToken;
  }
  const { exp, aud } = claims ?? {};
  if (typeof exp !== 'number') throw noToken;
  if (exp * 1000 <= nowMs - clockSkewMs)
    throw new IdentityFault(
      'token-refused',
      'the Kubernetes token has expired; read its file again, as Kubernetes renews it',
    );
  if (!(Array.isArray(aud) ? aud : [aud]).includes(audience))
    throw new IdentityFault(
      'token-refused',
      `the Kubernetes token is not for the audience ${audience}: mount a projected token with it`,
    );
}

interface ReviewStatus {
  readonly authenticated?: unknown;
  readonly audiences?: unknown;
  readonly user?: { readonly username?: unknown };
}

function readReview(text: string, audience: string): ServiceAccount {
  let status: ReviewStatus | undefined;
  try {
    status = (JSON.parse(text) as { readonly status?: ReviewStatus } | null)?.status;
  } catch {
    throw new TokenReviewUnavailable('Kubernetes gave an answer about the token that is not JSON');
  }
  if (status?.authenticated !== true)
    throw new IdentityFault(
      'token-refused',
      'Kubernetes does not know the token: it has expired, or is of another cluster',
    );
  // An API server that does not know about audiences leaves them out, and then any token of the cluster would do: refused.
  if (!Array.isArray(status.audiences) || !status.audiences.includes(audience))
    throw new IdentityFault(
      'token-refused',
      `the Kubernetes token is not for the audience ${audience}: mount a projected token with it`,
    );
  const parts =
    typeof status.user?.username === 'string'
      ? /^system:serviceaccount:([a-z0-9-]{1,63}):([a-z0-9.-]{1,253})$/.exec(status.user.username)
      : null;
  if (parts === null) throw new IdentityFault('token-refused', "the Kubernetes token is not a service account's");
  return { namespace: parts[1]!, serviceAccount: parts[2]! };
}
