/**
 * A TLS configuration as it is now: with the newest version of the secrets that it refers to put in. A new version gives a new configuration object, and with it new contexts and no
 * resumption of what was made under the old one; the same versions give the same object.
 */
import type { TlsCommonConfig } from '../config/tls-config.ts';
import type { Secret } from './secret.ts';
import type { SecretLookup } from './secret-store.ts';

export class SecretTls<T extends TlsCommonConfig> {
  readonly config: T;
  readonly #secrets: SecretLookup | null;
  #certificate: Secret | undefined;
  #trust: Secret | undefined;
  #current: T | null;

  /** `secrets` null: there are none, and whatever refers to one waits for it. */
  constructor(config: T, secrets: SecretLookup | null) {
    this.config = config;
    this.#secrets = secrets;
    this.#current = refersToSecrets(config) ? null : config;
  }

  /** Asked for each new connection. Null: a secret has not come; {@link missing} says which. */
  current(): T | null {
    const { config } = this;
    if (this.#current === config) return config;
    const { certificateSecret = null, trustSecret = null } = config;
    const certificate = certificateSecret === null ? undefined : this.#find(certificateSecret.key, 'certificate');
    const trust = trustSecret === null ? undefined : this.#find(trustSecret.key, 'validation');
    if ((certificateSecret !== null && certificate === undefined) || (trustSecret !== null && trust === undefined))
      return (this.#current = null);
    if (this.#current === null || certificate !== this.#certificate || trust !== this.#trust) {
      this.#certificate = certificate;
      this.#trust = trust;
      this.#current = withSecrets(this.config, certificate, trust);
    }
    return this.#current;
  }

  /** What is waited for, for people; '' when nothing is. */
  missing(): string {
    const { certificateSecret = null, trustSecret = null } = this.config;
    for (const [reference, kind, what] of [
      [certificateSecret, 'certificate', 'certificate and key'],
      [trustSecret, 'validation', 'trusted CAs'],
    ] as const) {
      if (reference === null || this.#find(reference.key, kind) !== undefined) continue;
      const other = this.#secrets?.get(reference.key);
      const refusal = this.#secrets?.refusal(reference.key) ?? '';
      const why =
        other !== undefined
          ? 'is of another kind'
          : refusal === ''
            ? 'has not come yet'
            : `was refused (${refusal}), and there is none from before`;
      return `the secret ${JSON.stringify(reference.name)} (${what}) ${why}`;
    }
    return '';
  }

  #find(key: string, kind: Secret['value']['kind']): Secret | undefined {
    const secret = this.#secrets?.get(key);
    return secret?.value.kind === kind ? secret : undefined;
  }
}

function refersToSecrets({ certificateSecret = null, trustSecret = null }: TlsCommonConfig): boolean {
  return certificateSecret !== null || trustSecret !== null;
}

function withSecrets<T extends TlsCommonConfig>(
  config: T,
  certificate: Secret | undefined,
  trust: Secret | undefined,
): T {
  const own = certificate?.value;
  const trusted = trust?.value;
  return Object.freeze({
    ...config,
    ...(own?.kind === 'certificate' ? { certificates: [{ chainPem: own.chainPem, keyPem: own.keyPem }] } : {}),
    ...(trusted?.kind === 'validation'
      ? {
          trustedCaPem: trusted.trustedCaPem,
          trustDomains: trusted.trustDomains ?? null,
          // Envoy merges the two contexts: repeated fields are joined.
          subjectAltNames:
            trusted.subjectAltNames.length === 0
              ? config.subjectAltNames
              : [...config.subjectAltNames, ...trusted.subjectAltNames],
        }
      : {}),
  });
}
