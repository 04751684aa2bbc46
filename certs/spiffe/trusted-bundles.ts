/** All bundles that peers are judged by: our own, and those of other trust domains that the operator federates with. Each trust domain has its own, and no root counts for another's. */
import { IdentityFault } from '../identity-fault.ts';
import type { TrustBundle } from './trust-bundle.ts';

export class TrustedBundles {
  readonly #own: () => TrustBundle;
  readonly #federated = new Map<string, TrustBundle>();

  /** `own` is asked each time, as it changes when the root does. */
  constructor(own: () => TrustBundle) {
    this.#own = own;
  }

  /** Null: this trust domain is not trusted. */
  of(trustDomain: string): TrustBundle | null {
    const own = this.#own();
    return trustDomain === own.trustDomain ? own : (this.#federated.get(trustDomain) ?? null);
  }

  /** Our own first. */
  all(): readonly TrustBundle[] {
    return [this.#own(), ...this.#federated.values()];
  }

  /**
   * Adds or replaces another trust domain's. Throws IdentityFault `wrong-trust-domain` for our own (nobody else says what we trust at home), and `untrusted` for one that is older than the one we have.
   */
  federate(bundle: TrustBundle): void {
    const { trustDomain, sequence } = bundle;
    if (trustDomain === this.#own().trustDomain)
      throw new IdentityFault(
        'wrong-trust-domain',
        `${trustDomain} is this mesh's own trust domain, and can't be federated with`,
      );
    const known = this.#federated.get(trustDomain)?.sequence ?? null;
    if (known !== null && sequence !== null && sequence < known)
      throw new IdentityFault(
        'untrusted',
        `the trust bundle of ${trustDomain} has the sequence number ${sequence}, and number ${known} was here already: it is an old one`,
      );
    this.#federated.set(trustDomain, bundle);
  }

  /** Stops trusting it. False when it was not. */
  remove(trustDomain: string): boolean {
    return this.#federated.delete(trustDomain);
  }
}
