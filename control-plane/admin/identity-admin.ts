/** What the admin port shows and does about identities: roots and their rotation, join tokens. Never a key, and a token only in the answer to who made it. */
import type { Logger } from 'pino';
import type { JoinTokenEntry } from '../../certs/join-token/join-tokens.ts';
import type { RotationState } from '../../certs/rotation/root-rotation.ts';
import { type SpiffeId, serviceAccountId } from '../../certs/spiffe/spiffe-id.ts';
import { fingerprint } from '../../certs/x509/certificate.ts';
import type { Awaited } from '../identity/bundle-watchers.ts';
import type { MeshIdentity } from '../identity/mesh-identity.ts';
import { ActionFault, type AdminAction } from './admin-actions.ts';

export interface AuthorityStatus {
  readonly trustDomain: string;
  /** What is going on, in words. */
  readonly state: string;
  readonly phase: string;
  readonly authorities: ReadonlyArray<{
    readonly id: string;
    readonly signs: boolean;
    readonly validFrom: string;
    readonly expiresAt: string;
  }>;
  /** SHA-256 fingerprints. */
  readonly roots: readonly string[];
  readonly federated: readonly string[];
  readonly federatedBundles: ReadonlyArray<{
    readonly trustDomain: string;
    readonly roots: number;
    /** Of the root that lasts longest, from when to when. */
    readonly validFrom: string;
    readonly expiresAt: string;
    /** Why its file as it is now is not in use; ''. */
    readonly fault: string;
  }>;
  readonly ownRoot: boolean;
  /** Why the operator's files as they are now are not in use; ''. */
  readonly fault: string;
  readonly certificateLifetimeSeconds: number;
  /** Null: none is under way. */
  readonly rotation: {
    readonly sinceAt: string;
    /** When the phase ends whoever is not ready. */
    readonly byAt: string;
    readonly holders: number;
    /** Who is ready for the next step. */
    readonly ready: number;
    /** Some of those who are not, those first that are away. */
    readonly waitingFor: readonly string[];
    /** When the last certificate ends of those who are away; ''. */
    readonly awayUntil: string;
  } | null;
}

export interface TokenRow {
  readonly id: string;
  readonly identities: readonly string[];
  readonly usesLeft: number;
  readonly expiresAt: string;
}

const name = /^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/;

const mostNamed = 20;

export class IdentityAdmin {
  readonly #identity: MeshIdentity;
  readonly #log: Logger;

  constructor(identity: MeshIdentity, log: Logger) {
    this.#identity = identity;
    this.#log = log;
  }

  readonly lists = {
    authority: (): AuthorityStatus => this.#status(),
    tokens: (): readonly TokenRow[] => this.#identity.joinTokens.list().map(tokenRow),
  };

  readonly actions: Readonly<Record<string, AdminAction>> = {
    '/api/v1/tokens': (body) => this.#createToken(body),
    '/api/v1/tokens/revoke': (body) => this.#revokeToken(body),
    '/api/v1/authority/rotate': (body) => this.#rotate(body),
  };

  #status(): AuthorityStatus {
    const { authority, bundles, rootIsOperators } = this.#identity;
    const { state, words, authorities, leafLifetimeMs } = authority.status();
    const others = bundles.all().slice(1);
    return {
      trustDomain: authority.trustDomain,
      state: words,
      phase: state.phase,
      authorities: authorities.map(({ id, notBeforeMs, notAfterMs }) => ({
        id,
        signs: id === state.signing,
        validFrom: new Date(notBeforeMs).toISOString(),
        expiresAt: new Date(notAfterMs).toISOString(),
      })),
      roots: authority.bundle().roots.map(fingerprint),
      federated: others.map(({ trustDomain }) => trustDomain),
      federatedBundles: others.map(({ trustDomain, roots }) => {
        const last = roots.reduce((a, b) => (b.notAfterMs > a.notAfterMs ? b : a));
        return {
          trustDomain,
          roots: roots.length,
          validFrom: new Date(last.notBeforeMs).toISOString(),
          expiresAt: new Date(last.notAfterMs).toISOString(),
          fault: this.#identity.fileFault(trustDomain),
        };
      }),
      ownRoot: !rootIsOperators,
      fault: this.#identity.fileFault(authority.trustDomain),
      certificateLifetimeSeconds: leafLifetimeMs / 1000,
      rotation: this.#rotation(state),
    };
  }

  #rotation(state: RotationState): AuthorityStatus['rotation'] {
    if (state.phase === 'steady') return null;
    const { authority, watchers } = this.#identity;
    const sequence = authority.bundle().sequence ?? 0;
    const { holders, withBundle, moved } = watchers.evidence(sequence, authority.signingId);
    const distributing = state.phase === 'distributing';
    const awaited = watchers.waitedFor(sequence, authority.signingId, distributing ? 'bundle' : 'moved', mostNamed);
    const awayUntilMs = awaited[0]?.awayUntilMs ?? null;
    return {
      sinceAt: new Date(state.sinceMs).toISOString(),
      byAt: new Date(state.byMs).toISOString(),
      holders,
      ready: distributing ? withBundle : moved,
      waitingFor: awaited.map(awaitedWords),
      awayUntil: awayUntilMs === null ? '' : new Date(awayUntilMs).toISOString(),
    };
  }

  #createToken(body: Readonly<Record<string, unknown>>): TokenRow & { readonly token: string } {
    const { services, uses = 1, lifetimeMs = 3_600_000 } = body;
    if (!Array.isArray(services)) throw new ActionFault('services: a list of NAMESPACE/ACCOUNT is missing');
    if (typeof uses !== 'number' || typeof lifetimeMs !== 'number')
      throw new ActionFault('uses and lifetimeMs are numbers');
    const identities = services.map((service) => this.#accountOf(service));
    const { token, entry } = this.#identity.joinTokens.create({ identities, uses, lifetimeMs });
    this.#log.info(
      `made the join token ${entry.id} for ${entry.identities.join(', ')}, good for ${uses === 1 ? '1 key' : `${uses} keys`}, until ${new Date(entry.expiresAtMs).toISOString()}`,
    );
    return { ...tokenRow(entry), token };
  }

  #accountOf(text: unknown): SpiffeId {
    const [namespace = '', account = '', ...rest] = typeof text === 'string' ? text.split('/') : [];
    if (rest.length > 0 || !name.test(namespace) || !name.test(account))
      throw new ActionFault(`services: ${JSON.stringify(text)} is not NAMESPACE/ACCOUNT`);
    return serviceAccountId(this.#identity.authority.trustDomain, namespace, account);
  }

  #revokeToken(body: Readonly<Record<string, unknown>>): { readonly revoked: string } {
    const { id } = body;
    if (typeof id !== 'string' || !this.#identity.joinTokens.revoke(id))
      throw new ActionFault(`there is no join token ${JSON.stringify(id)}; outrigger identity token list shows them`);
    this.#log.info(`revoked the join token ${id}`);
    return { revoked: id };
  }

  #rotate(body: Readonly<Record<string, unknown>>): AuthorityStatus {
    const { authority, rootIsOperators } = this.#identity;
    const { force, revert } = body;
    if (force === true && revert === true)
      throw new ActionFault('force is the next step of a rotation, and revert the way back; one of them');
    if (revert === true) this.#identity.revertRotation();
    else if (force === true) authority.force();
    else if (rootIsOperators)
      throw new ActionFault(
        'the root is your own (--ca-certificate): put the new certificate and key into its files; they are looked at every few seconds, and the rotation begins by itself',
      );
    else authority.rotate();
    this.#log.info(
      `root rotation${force === true ? ', forced' : ''}${revert === true ? ', taken back' : ''}: ${authority.status().words}`,
    );
    return this.#status();
  }
}

function awaitedWords({ identity, awayUntilMs }: Awaited): string {
  return awayUntilMs === null
    ? identity
    : `${identity} (not connected; its certificate ends ${new Date(awayUntilMs).toISOString()})`;
}

function tokenRow({ id, identities, usesLeft, expiresAtMs }: JoinTokenEntry): TokenRow {
  return { id, identities, usesLeft, expiresAt: new Date(expiresAtMs).toISOString() };
}
