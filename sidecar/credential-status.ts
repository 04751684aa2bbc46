/**
 * What the sidecar proves itself with and judges others by, for people: each certificate and set of trusted CAs once, where it comes from, who uses it, and why it is not there or not the newest. Stands beside Envoy's own list in
 * `/certs`; read by `outrigger check --sidecar-admin`. Never keys.
 */
import type { X509Certificate } from 'node:crypto';
import type { Configuration } from './config/configuration.ts';
import type { ListenerConfig } from './config/listener-config.ts';
import type { SecretReference } from './config/tls-config.ts';
import { standingIn, tlsContexts } from './held-certificates.ts';
import type { SecretStore } from './secret/secret-store.ts';

/** As it stands in JSON. */
export interface CredentialStatus {
  readonly kind: 'certificate' | 'ca';
  /** `identity`: the control plane gave it to the sidecar, which renews it itself. */
  readonly source: 'identity' | 'sds' | 'file' | 'inline';
  /** Where it comes from, for people. */
  readonly from: string;
  /** Listeners and clusters. */
  readonly used_by: readonly string[];
  /** Why the last version that came was refused; '' when it was not. */
  readonly refusal: string;
  /** A leaf, or each trusted CA, in use. Empty: nothing has come that can be used. */
  readonly certificates: readonly CredentialCertificate[];
}

export interface CredentialCertificate {
  /** Whose it is: its URI names, else its DNS names, else its subject. */
  readonly of: string;
  readonly serial_number: string;
  /** ISO 8601. */
  readonly valid_from: string;
  readonly expiration_time: string;
}

export function credentialsInUse(configuration: Configuration, secrets: SecretStore): readonly CredentialStatus[] {
  const found = new Map<string, { readonly status: Omit<CredentialStatus, 'used_by'>; readonly users: Set<string> }>();
  const use = (key: string, user: string, status: () => Omit<CredentialStatus, 'used_by'>): void => {
    let known = found.get(key);
    if (known === undefined) found.set(key, (known = { status: status(), users: new Set() }));
    known.users.add(user);
  };
  for (const { owner, tls } of tlsContexts(configuration)) {
    for (const { kind, certificates } of standingIn(owner, tls)) {
      const shown = (kind === 'certificate' ? certificates.slice(0, 1) : certificates).map(shownCertificate);
      const key = `inline ${kind} ${certificates.map(({ fingerprint256 }) => fingerprint256).join()}`;
      const status = { kind, source: 'inline', from: 'the configuration', refusal: '', certificates: shown } as const;
      use(key, owner, () => status);
    }
    const { certificateSecret = null, trustSecret = null } = tls;
    if (certificateSecret !== null)
      use(`${certificateSecret.key} certificate`, owner, () => ofSecret(certificateSecret, 'certificate', secrets));
    if (trustSecret !== null) use(`${trustSecret.key} ca`, owner, () => ofSecret(trustSecret, 'ca', secrets));
  }
  return [...found.values()].map(({ status, users }) => ({ ...status, used_by: [...users] }));
}

/** Listeners that other machines reach and that take plaintext. */
export function plaintextListeners({ listeners }: Pick<Configuration, 'listeners'>): readonly string[] {
  return [...listeners.values()]
    .map(({ value }) => value)
    .filter((listener) => listener.direction !== 'outbound' && !isLoopback(listener.address.host))
    .filter(takesPlaintext)
    .map(({ name }) => name);
}

function takesPlaintext({ filterChains, defaultFilterChain }: ListenerConfig): boolean {
  return [...filterChains, defaultFilterChain].some((chain) => chain !== null && chain.tls === null);
}

function isLoopback(host: string): boolean {
  return host.startsWith('127.') || host === '::1';
}

function ofSecret(
  reference: SecretReference,
  kind: CredentialStatus['kind'],
  secrets: SecretStore,
): Omit<CredentialStatus, 'used_by'> {
  const secret = secrets.get(reference.key);
  const refusal = secrets.refusal(reference.key);
  const ofKind = secret === undefined || (secret.value.kind === 'certificate') === (kind === 'certificate');
  const otherKind =
    kind === 'certificate' ? 'it holds trusted CAs, and no certificate' : 'it holds a certificate, and no trusted CAs';
  return {
    kind,
    ...origin(reference, secrets),
    refusal: ofKind ? refusal : otherKind,
    certificates: secret !== undefined && ofKind ? secret.certificates.map(shownCertificate) : [],
  };
}

function origin({ name, source }: SecretReference, secrets: SecretStore): Pick<CredentialStatus, 'source' | 'from'> {
  const quoted = JSON.stringify(name);
  switch (source.kind) {
    case 'ads':
      return secrets.isLocal(name)
        ? { source: 'identity', from: 'its identity' }
        : { source: 'sds', from: `the secret ${quoted}, by SDS from the control plane` };
    case 'sds-service':
      return { source: 'sds', from: `the secret ${quoted}, by SDS through the cluster ${source.clusterName}` };
    case 'sds-file':
      return { source: 'file', from: `the secret ${quoted} in the file ${source.path}` };
    case 'certificate-files':
      return { source: 'file', from: `the files ${source.chainPath} and ${source.keyPath}` };
    case 'trust-file':
      return { source: 'file', from: `the file ${source.path}` };
  }
}

function shownCertificate(certificate: X509Certificate): CredentialCertificate {
  return {
    of: nameOf(certificate),
    serial_number: certificate.serialNumber.toLowerCase(),
    valid_from: new Date(certificate.validFrom).toISOString(),
    expiration_time: new Date(certificate.validTo).toISOString(),
  };
}

/** Names of a certificate are anybody's text: what a terminal might take for more is not shown. */
export function nameOf({ subjectAltName = '', subject }: X509Certificate): string {
  const names = subjectAltName.split(', ');
  const of = (prefix: string): string[] =>
    names.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length));
  const [uris, dns] = [of('URI:'), of('DNS:')];
  const shown = uris.length > 0 ? uris.join(', ') : dns.length > 0 ? dns.join(', ') : subject.split('\n').join(', ');
  return shown.replace(/[^\x20-\x7e]/g, '?').slice(0, 300);
}
