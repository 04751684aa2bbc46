/**
 * The certificate of a proxy that gets it by SDS: key and leaf made here, in memory only, and made anew at half of the leaf's life, or when somebody else signs. Shared by the streams of one proxy, and kept for a
 * moment after the last, so that a stream that comes back costs no certificate.
 */
import { generateKeyPairSync } from 'node:crypto';
import type { Logger } from 'pino';
import type { CertificateAuthority, IssuingReason } from '../../certs/authority/certificate-authority.ts';
import type { SpiffeId } from '../../certs/spiffe/spiffe-id.ts';
import { publicKeyDer } from '../../certs/x509/public-key.ts';
import type { CertificateLife } from '../door/caller.ts';
import { refusalReason } from '../door/refusal.ts';
import type { ServedResource } from '../xds-server/served-resource.ts';
import { ownSecret } from './encode-secret.ts';
import type { IdentityMetrics } from './identity-metrics.ts';

export interface ProxyCertificateOptions {
  readonly authority: CertificateAuthority;
  readonly metrics: IdentityMetrics;
  readonly log: Logger;
  readonly nowMs: () => number;
  readonly after: (delayMs: number, callback: () => void) => () => void;
  readonly random: () => number;
}

/** Of what is left of its life. */
const renewAt = 0.5;
const maxDelayMs = 24 * 3_600_000;
const maxRetryMs = 30_000;
/** Over how long proxies spread when somebody else signs, at most. */
const maxSpreadMs = 60_000;

export class ProxyCertificate {
  readonly #options: ProxyCertificateOptions;
  readonly #identity: SpiffeId;
  readonly #reason: IssuingReason;
  readonly #onChange: () => void;
  #cancel: () => void = () => {};
  #resource: ServedResource | null = null;
  #authorityId = '';
  #life: CertificateLife | null = null;
  #lifetimeMs = 0;
  /** The renewal that is due is for a new signer. */
  #moving = false;

  constructor(options: ProxyCertificateOptions, identity: SpiffeId, reason: IssuingReason, onChange: () => void) {
    this.#options = options;
    this.#identity = identity;
    this.#reason = reason;
    this.#onChange = onChange;
    this.#renew();
  }

  /** Null: it could not be signed yet. */
  get resource(): ServedResource | null {
    return this.#resource;
  }

  get authorityId(): string {
    return this.#authorityId;
  }

  get life(): CertificateLife | null {
    return this.#life;
  }

  /** Renews soon when somebody else signs now: at a random moment, as all other proxies do too. */
  moveToSigner(): void {
    const { authority, after, random } = this.#options;
    if (this.#moving || this.#authorityId === authority.signingId || this.#resource === null) return;
    this.#moving = true;
    this.#cancel();
    this.#cancel = after(random() * Math.min(maxSpreadMs, this.#lifetimeMs / 10), () => this.#renewAndTell());
  }

  close(): void {
    this.#cancel();
  }

  #renewAndTell(): void {
    const before = this.#resource;
    this.#renew();
    if (this.#resource !== before) this.#onChange();
  }

  #renew(): void {
    const { authority, metrics, log, nowMs, after, random } = this.#options;
    this.#moving = false;
    try {
      const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
      const leaf = authority.sign(publicKeyDer(publicKey), this.#identity, this.#reason);
      this.#resource = ownSecret(leaf, privateKey);
      this.#authorityId = leaf.authorityId;
      this.#life = leaf;
      this.#lifetimeMs = leaf.notAfterMs - nowMs();
      metrics.signed('sds', 'issued');
      // A tenth of it earlier for some, so that proxies that came together do not stay together.
      const delayMs = this.#lifetimeMs * renewAt * (1 - random() * 0.1);
      this.#cancel = after(Math.min(delayMs, maxDelayMs), () => this.#renewAndTell());
    } catch (error) {
      metrics.signed('sds', refusalReason(error));
      log.error(`cannot sign a certificate for ${this.#identity.text} (SDS): ${(error as Error).message}`);
      const delayMs = this.#lifetimeMs === 0 ? maxRetryMs : Math.min(maxRetryMs, this.#lifetimeMs / 20);
      this.#cancel = after(delayMs, () => this.#renewAndTell());
    }
  }
}
