/** What the log hears of the sidecar's identity: every certificate, the first failure and then every tenth, and each time that it gets worse. */
import type { Log } from '../runtime/log.ts';
import { isoTime } from './identity-status.ts';
import type { OwnCertificate } from './own-certificate.ts';

export interface FailedAttempt {
  /** In a row. */
  readonly failures: number;
  /** What was shown as proof. */
  readonly shown: string;
  readonly why: string;
  readonly refused: boolean;
  readonly retryInMs: number;
  readonly nowMs: number;
}

const tellEvery = 10;

export class IdentityLog {
  readonly #log: Log;
  readonly #wanted: string;
  /** Less than a quarter of the certificate's life is left, and this was told. */
  #lateTold = false;

  /** `wanted`: the ID, as far as it is known beforehand. */
  constructor(log: Log, wanted: string) {
    this.#log = log;
    this.#wanted = wanted === '' ? 'this sidecar' : wanted;
  }

  signed(certificate: OwnCertificate, first: boolean, shown: string, renewalMs: number): void {
    this.#lateTold = false;
    const { id, notAfterMs } = certificate;
    this.#log.info(
      `identity ${id} ${first ? 'issued' : 'renewed'} by ${shown}, valid until ${isoTime(notAfterMs)}; next renewal at ${isoTime(renewalMs)}`,
    );
  }

  /** There is no valid certificate. */
  failedToGet({ failures, shown, why, refused, retryInMs }: FailedAttempt): void {
    if (failures !== 1 && failures % tellEvery !== 0) return;
    const next = refused
      ? 'the control plane said no: mend it, or give another proof'
      : '--control-plane-tls says where the control plane is, --trust-bundle whom to believe';
    this.#log.warn(
      `no certificate for ${this.#wanted} by ${shown}: ${why}; trying again in ${seconds(retryInMs)} (${next})`,
    );
  }

  failedToRenew(certificate: OwnCertificate, attempt: FailedAttempt): void {
    const { failures, shown, why, retryInMs, nowMs } = attempt;
    const { id, issuedMs, notAfterMs } = certificate;
    const leftMs = notAfterMs - nowMs;
    const late = leftMs < (notAfterMs - issuedMs) / 4;
    if (failures !== 1 && failures % tellEvery !== 0 && !(late && !this.#lateTold)) return;
    this.#lateTold = late;
    const text = `could not renew the certificate of ${id} by ${shown}: ${why}; it is valid for another ${seconds(leftMs)}, trying again in ${seconds(retryInMs)}`;
    if (late) this.#log.warn(`${text}; less than a quarter of its life is left: when it has expired, peers refuse it`);
    else this.#log.info(text);
  }

  expired({ id, notAfterMs }: OwnCertificate, shown: string): void {
    this.#log.error(
      `the certificate of ${id} expired at ${isoTime(notAfterMs)} and could not be renewed: peers refuse it; asking for another by ${shown}`,
    );
  }
}

function seconds(ms: number): string {
  return ms >= 120_000 ? `${Math.round(ms / 60_000)} min` : `${(Math.max(0, ms) / 1000).toFixed(1)} s`;
}
