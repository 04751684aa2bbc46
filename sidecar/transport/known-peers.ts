/**
 * Clients that were let in under one configuration, by their certificate: one that comes again is not read and judged again, which would cost a tenth of a handshake. That the chain verifies is
 * asked of OpenSSL each time.
 */
import type { X509Certificate } from 'node:crypto';
import { type PeerCertificate, peerCertificate, serviceOf } from './peer-certificate.ts';

const mostKnown = 1024;

export interface KnownPeer {
  readonly certificate: PeerCertificate;
  /** `namespace/service account`; ''. */
  readonly service: string;
  readonly notBeforeWallMs: number;
  readonly notAfterWallMs: number;
}

export class KnownPeers {
  /** Who came longest ago first. */
  readonly #byFingerprint = new Map<string, KnownPeer>();

  /** Undefined: it was not let in before, or its time is over. */
  find({ fingerprint256 }: X509Certificate, nowWallMs: number): KnownPeer | undefined {
    const known = this.#byFingerprint.get(fingerprint256);
    if (known === undefined) return undefined;
    this.#byFingerprint.delete(fingerprint256);
    if (nowWallMs >= known.notAfterWallMs) return undefined;
    // To the end: who comes often is not put out by many who come once.
    this.#byFingerprint.set(fingerprint256, known);
    return nowWallMs >= known.notBeforeWallMs ? known : undefined;
  }

  /** It was judged, and may come in. */
  add(certificate: X509Certificate): KnownPeer {
    const peer = peerCertificate(certificate);
    const known = {
      certificate: peer,
      service: serviceOf(peer),
      notBeforeWallMs: Date.parse(certificate.validFrom),
      notAfterWallMs: Date.parse(certificate.validTo),
    };
    this.#byFingerprint.set(certificate.fingerprint256, known);
    if (this.#byFingerprint.size > mostKnown) this.#byFingerprint.delete(this.#byFingerprint.keys().next().value!);
    return known;
  }
}
