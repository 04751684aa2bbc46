/**
 * What certificates mean for readiness. Not ready: every way in is mutual TLS with a certificate of ours that is over (or never came), as callers that look at certificates then get nowhere; they had better go to another instance. A way in
 * that takes plaintext, or TLS without a client certificate (whoever is behind that may not look), keeps the sidecar ready, as in Envoy. Certificates near their end are a warning beside. Asked for by each probe; holds nothing.
 */
import type { X509Certificate } from 'node:crypto';
import type { Configuration } from './config/configuration.ts';
import type { FilterChainConfig } from './config/listener-config.ts';
import type { RbacRuleConfig } from './config/rbac-config.ts';
import type { TlsCommonConfig } from './config/tls-config.ts';
import { nameOf } from './credential-status.ts';
import { standingIn, tlsContexts } from './held-certificates.ts';
import { spanText } from './runtime/span-text.ts';
import type { SecretLookup } from './secret/secret-store.ts';

export interface CertificateReadiness {
  /** Why nobody can be served; '' when somebody can. */
  readonly blocked: string;
  /** Own certificates with less than a quarter of their life left, or over. */
  readonly warnings: readonly string[];
}

export function certificateReadiness(
  configuration: Configuration,
  secrets: SecretLookup,
  nowWallMs: number,
): CertificateReadiness {
  const warnings = new Set<string>();
  for (const { owner, tls } of tlsContexts(configuration))
    for (const leaf of ownLeaves(owner, tls, secrets)) {
      const warning = shortLife(leaf, nowWallMs);
      if (warning !== '') warnings.add(warning);
    }
  return { blocked: blockedBy(configuration, secrets, nowWallMs), warnings: [...warnings] };
}

function blockedBy(configuration: Configuration, secrets: SecretLookup, nowWallMs: number): string {
  const reasons = new Set<string>();
  for (const { value: listener } of configuration.listeners.values()) {
    if (listener.direction === 'outbound') continue;
    for (const chain of [...listener.filterChains, listener.defaultFilterChain]) {
      if (chain === null || refusesEverybody(chain)) continue;
      const { tls } = chain;
      if (tls === null || !tls.requireClientCertificate) return '';
      const owner = `listener ${listener.name}`;
      const leaves = ownLeaves(owner, tls, secrets);
      if (leaves.some(({ validTo }) => Date.parse(validTo) > nowWallMs)) return '';
      reasons.add(leaves.length === 0 ? `${owner} has no certificate yet` : leaves.map(expired).join(', '));
    }
  }
  return [...reasons].join('; ');
}

/** The chain of our control plane that tells plaintext callers of a strict port why they are refused is no way in. */
function refusesEverybody({ httpConnectionManager, tcpProxy = null }: FilterChainConfig): boolean {
  const any = ({ kind }: RbacRuleConfig): boolean => kind === 'any';
  return (httpConnectionManager?.gates ?? tcpProxy?.rbac ?? []).some(
    (gate) =>
      gate.kind === 'rbac' &&
      gate.rules?.action === 'deny' &&
      gate.rules.policies.some(
        ({ permissions, principals, condition }) => condition === null && permissions.some(any) && principals.some(any),
      ),
  );
}

function ownLeaves(owner: string, tls: TlsCommonConfig, secrets: SecretLookup): readonly X509Certificate[] {
  const { certificateSecret = null } = tls;
  if (certificateSecret === null)
    return standingIn(owner, tls)
      .filter(({ kind }) => kind === 'certificate')
      .flatMap(({ certificates }) => certificates.slice(0, 1));
  const secret = secrets.get(certificateSecret.key);
  return secret?.value.kind === 'certificate' ? secret.certificates : [];
}

/** Authorities date leaves back by about a minute, for clocks that are slow; that is no part of a life (ours: certs/authority/sign-leaf.ts). */
const datedBackMs = 60_000;

/** '' when there is time enough. */
function shortLife(leaf: X509Certificate, nowWallMs: number): string {
  const [fromMs, untilMs] = [Date.parse(leaf.validFrom), Date.parse(leaf.validTo)];
  const leftMs = untilMs - nowWallMs;
  if (leftMs <= 0) return expired(leaf);
  return leftMs < (untilMs - fromMs - datedBackMs) / 4
    ? `less than a quarter of the life of the certificate of ${nameOf(leaf)} is left (${spanText(leftMs)}, until ${new Date(untilMs).toISOString()})`
    : '';
}

function expired(leaf: X509Certificate): string {
  return `the certificate of ${nameOf(leaf)} expired at ${new Date(leaf.validTo).toISOString()}`;
}
