/**
 * TLS of the control plane's own door: TLS 1.3, a leaf that the authority signs for the control plane itself, renewed in good time and whenever the root changes, and client certificates that are asked for but
 * not demanded, as who comes for a first certificate has none. Connections in use go on; new ones get the new certificate.
 */
import { generateKeyPairSync } from 'node:crypto';
import { ServerCredentials } from '@grpc/grpc-js';
import type { CertificateAuthority } from '../../certs/authority/certificate-authority.ts';
import type { SpiffeId } from '../../certs/spiffe/spiffe-id.ts';
import { trustBundlePem } from '../../certs/spiffe/trust-bundle.ts';
import { writePem } from '../../certs/x509/pem.ts';
import { publicKeyDer } from '../../certs/x509/public-key.ts';

export interface RenewalTimer {
  nowMs(): number;
  after(delayMs: number, callback: () => void): () => void;
}

const retryMs = 30_000;
/** As the sidecar's: Node's own list has P-521 and X448 too, which cost us six to twelve times as much at a caller's choice. */
const keyExchanges = 'X25519MLKEM768:X25519:P-256:P-384';
/** A handshake takes a round trip and a few milliseconds; who takes longer is slow on purpose, or gone. */
const handshakeMs = 10_000;
/** No timer of Node's waits for longer than 24.8 days. */
const maxDelayMs = 24 * 3_600_000;

export class MeshServerCredentials extends ServerCredentials {
  readonly #authority: CertificateAuthority;
  readonly #id: SpiffeId;
  readonly #timer: RenewalTimer;
  readonly #onFault: (error: Error) => void;
  readonly #stopListening: () => void;
  #cancel: () => void = () => {};

  /** Signs the first leaf. Throws what CertificateAuthority.sign throws; later faults go to `onFault`, and are tried again while the old leaf serves. */
  constructor(authority: CertificateAuthority, id: SpiffeId, timer: RenewalTimer, onFault: (error: Error) => void) {
    // Who is unknown is let in, and told so by each method that wants to know.
    super({ requestCert: true, rejectUnauthorized: false, handshakeTimeout: handshakeMs });
    this.#authority = authority;
    this.#id = id;
    this.#timer = timer;
    this.#onFault = onFault;
    this.#renew();
    this.#stopListening = authority.onChange(() => this.#tryToRenew());
  }

  override _equals(other: ServerCredentials): boolean {
    return this === other;
  }

  /** Stops to renew. */
  close(): void {
    this.#cancel();
    this.#stopListening();
  }

  #renew(): void {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
    const leaf = this.#authority.sign(publicKeyDer(publicKey), this.#id, { proof: 'control_plane', peer: 'itself' });
    this.updateSecureContextOptions({
      minVersion: 'TLSv1.3',
      ecdhCurve: keyExchanges,
      ca: trustBundlePem(this.#authority.bundle()),
      cert: writePem('CERTIFICATE', ...leaf.chain),
      key: privateKey.export({ format: 'pem', type: 'pkcs8' }),
    });
    this.#schedule(Math.min((leaf.notAfterMs - this.#timer.nowMs()) / 2, maxDelayMs));
  }

  #tryToRenew(): void {
    try {
      this.#renew();
    } catch (error) {
      this.#onFault(error as Error);
      this.#schedule(retryMs);
    }
  }

  #schedule(delayMs: number): void {
    this.#cancel();
    this.#cancel = this.#timer.after(delayMs, () => this.#tryToRenew());
  }
}
