/** The webhook's own certificate: signed by the mesh's authority for the name by which the API server calls it, and renewed in good time and whenever the root changes; or the operator's, from files that are watched. */
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import type { Logger } from 'pino';
import type { CertificateAuthority } from '../../../certs/authority/certificate-authority.ts';
import { controlPlaneId } from '../../../certs/spiffe/control-plane-id.ts';
import { trustBundlePem } from '../../../certs/spiffe/trust-bundle.ts';
import { readMountedSecret } from '../../../certs/storage/owner-only.ts';
import { writePem } from '../../../certs/x509/pem.ts';
import { publicKeyDer } from '../../../certs/x509/public-key.ts';
import { WatchedText } from '../../identity/watched-text.ts';

export interface CertificateAndKey {
  /** PEM. */
  readonly cert: string;
  readonly key: string;
}

export interface WebhookCertificate {
  current(): CertificateAndKey;
  /** What the API server has to trust, as PEM; '' when only the operator knows. */
  caBundle(): string;
  /** Called after the above has changed. Gives the function that stops it. */
  onChange(listener: () => void): () => void;
  close(): void;
}

export interface CertificateTimer {
  nowMs(): number;
  after(delayMs: number, callback: () => void): () => void;
}

const retryMs = 30_000;
/** No timer of Node's waits for longer than 24.8 days. */
const maxDelayMs = 24 * 3_600_000;
const checkFilesMs = 5_000;

class Listeners {
  readonly #all = new Set<() => void>();

  add(listener: () => void): () => void {
    this.#all.add(listener);
    return () => this.#all.delete(listener);
  }

  tell(): void {
    for (const listener of this.#all) listener();
  }
}

export class AuthorityWebhookCertificate implements WebhookCertificate {
  readonly #authority: CertificateAuthority;
  readonly #dnsNames: readonly string[];
  readonly #timer: CertificateTimer;
  readonly #log: Logger;
  readonly #listeners = new Listeners();
  readonly #stopListening: () => void;
  #current: CertificateAndKey;
  #cancel: () => void = () => {};

  /** Signs the first one. Throws what CertificateAuthority.sign throws; later faults go to the log, and are tried again while the old one serves. */
  constructor(authority: CertificateAuthority, dnsNames: readonly string[], timer: CertificateTimer, log: Logger) {
    this.#authority = authority;
    this.#dnsNames = dnsNames;
    this.#timer = timer;
    this.#log = log;
    this.#current = this.#sign();
    this.#stopListening = authority.onChange(() => this.#renew());
  }

  current(): CertificateAndKey {
    return this.#current;
  }

  caBundle(): string {
    return trustBundlePem(this.#authority.bundle());
  }

  onChange(listener: () => void): () => void {
    return this.#listeners.add(listener);
  }

  close(): void {
    this.#cancel();
    this.#stopListening();
  }

  #sign(): CertificateAndKey {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
    const authority = this.#authority;
    const reason = { proof: 'control_plane', peer: 'webhook' } as const;
    const leaf = authority.sign(publicKeyDer(publicKey), controlPlaneId(authority.trustDomain), reason, this.#dnsNames);
    this.#schedule(Math.min((leaf.notAfterMs - this.#timer.nowMs()) / 2, maxDelayMs));
    return {
      cert: writePem('CERTIFICATE', ...leaf.chain),
      key: privateKey.export({ format: 'pem', type: 'pkcs8' }) as string,
    };
  }

  #renew(): void {
    try {
      this.#current = this.#sign();
      this.#listeners.tell();
    } catch (error) {
      this.#log.error(`cannot renew the webhook's certificate: ${(error as Error).message}; trying again`);
      this.#schedule(retryMs);
    }
  }

  #schedule(delayMs: number): void {
    this.#cancel();
    this.#cancel = this.#timer.after(delayMs, () => this.#renew());
  }
}

export class FileWebhookCertificate implements WebhookCertificate {
  readonly #listeners = new Listeners();
  readonly #timer: CertificateTimer;
  readonly #log: Logger;
  readonly #text: WatchedText;
  #current: CertificateAndKey | null = null;
  #cancel: () => void = () => {};

  /** Throws an Error of one line when they cannot be used; later versions that cannot are told in the log, and the last good one serves. */
  constructor(files: { readonly certificate: string; readonly key: string }, timer: CertificateTimer, log: Logger) {
    this.#timer = timer;
    this.#log = log;
    this.#text = new WatchedText(
      () => JSON.stringify({ cert: readFileSync(files.certificate, 'utf8'), key: readMountedSecret(files.key) }),
      (text) => {
        const next = checked(JSON.parse(text) as CertificateAndKey, files.certificate);
        const first = this.#current === null;
        this.#current = next;
        if (!first) this.#listeners.tell();
      },
    );
    this.#checkLater();
  }

  current(): CertificateAndKey {
    return this.#current!;
  }

  caBundle(): string {
    return '';
  }

  onChange(listener: () => void): () => void {
    return this.#listeners.add(listener);
  }

  close(): void {
    this.#cancel();
  }

  #checkLater(): void {
    this.#cancel = this.#timer.after(checkFilesMs, () => {
      this.#text.check(this.#log);
      this.#checkLater();
    });
  }
}

/** Throws an Error in words when key and certificate do not go together. */
function checked(pair: CertificateAndKey, file: string): CertificateAndKey {
  try {
    // Also that it is one at all: a context takes a PEM without certificates.
    void new X509Certificate(pair.cert);
    createSecureContext(pair);
  } catch (error) {
    throw new Error(`${file}: is not a certificate that goes with its key: ${(error as Error).message}`, {
      cause: error,
    });
  }
  return pair;
}
