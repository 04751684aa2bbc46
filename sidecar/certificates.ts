/** The certificates in use and how long they last: `/certs` in Envoy's shape, and the gauge of what is left of each. Inline ones and secrets alike. Never keys. */
import type { X509Certificate } from 'node:crypto';
import type { Configuration } from './config/configuration.ts';
import type { SecretReference, TlsCommonConfig } from './config/tls-config.ts';
import type { SecretLookup, SecretStore } from './secret/secret-store.ts';
import type { StatStore } from './stats/stat-store.ts';
import { pemCertificates } from './transport/pem-text.ts';

const dayMs = 86_400_000;
const expiryFamily = 'outrigger_certificate_expiry_seconds';

/** Certificates under one name: a chain with its leaf first, or trusted CAs. */
interface Held {
  readonly kind: 'certificate' | 'ca';
  /** The secret's name, the file's path, or whose configuration it stands in. */
  readonly name: string;
  readonly source: 'sds' | 'file' | 'inline';
  readonly certificates: readonly X509Certificate[];
}

/** One entry for each TLS context, as Envoy has it. */
export function certificatesInUse(
  configuration: Configuration,
  secrets: SecretLookup,
  nowWallMs: number,
): readonly unknown[] {
  return [...contexts(configuration)].map(({ owner, tls }) => {
    const held = heldBy(owner, tls, secrets);
    const show = (kind: Held['kind']): unknown[] =>
      held
        .filter((each) => each.kind === kind)
        .flatMap(({ name, source, certificates }) =>
          certificates.map((each) => details(each, source === 'inline' ? '<inline>' : name, nowWallMs)),
        );
    return { ca_cert: show('ca'), cert_chain: show('certificate') };
  });
}

/**
 * Brings `outrigger_certificate_expiry_seconds` up to date: seconds until a leaf ends, negative when it has; of trusted CAs, until the last of them does, as an old root stays for a
 * while beside the new one. What is not in use any more goes.
 */
export function measureExpiry(
  configuration: Configuration,
  secrets: SecretLookup,
  nowWallMs: number,
  stats: StatStore,
): void {
  const left = new Map<string, { readonly labels: Readonly<Record<string, string>>; readonly seconds: number }>();
  for (const { owner, tls } of contexts(configuration)) {
    for (const { kind, name, source, certificates } of heldBy(owner, tls, secrets)) {
      if (certificates.length === 0) continue;
      const ends = (kind === 'certificate' ? certificates.slice(0, 1) : certificates).map(({ validTo }) =>
        Date.parse(validTo),
      );
      const seconds = Math.floor((Math.max(...ends) - nowWallMs) / 1000);
      const key = [name, kind, source].join('\0');
      const before = left.get(key);
      if (before === undefined || seconds < before.seconds) left.set(key, { labels: { name, kind, source }, seconds });
    }
  }
  const current = new Set(
    [...left.values()].map(({ labels, seconds }) => {
      const gauge = stats.gauge(expiryFamily, expiryFamily, labels);
      gauge.value = seconds;
      return gauge;
    }),
  );
  for (const [key, gauge] of stats.gauges)
    if (gauge.family === expiryFamily && !current.has(gauge)) stats.gauges.delete(key);
}

/** When what is in use under one name begins and ends: a leaf, or the last of the trusted CAs. */
export interface Lifetime {
  readonly kind: Held['kind'];
  readonly name: string;
  readonly source: Held['source'];
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

/** Each once, under a key of its own; but for those that the sidecar's own identity answers. Parses nothing that was parsed before. */
export function lifetimesInUse(configuration: Configuration, secrets: SecretStore): ReadonlyMap<string, Lifetime> {
  const found = new Map<string, Lifetime>();
  for (const { owner, tls } of contexts(configuration)) {
    for (const [index, { kind, name, source, certificates }] of standingIn(owner, tls).entries()) {
      const [first] = certificates;
      if (first === undefined) continue;
      const last =
        kind === 'certificate'
          ? first
          : certificates.reduce((a, b) => (Date.parse(b.validTo) > Date.parse(a.validTo) ? b : a));
      const [notBeforeMs, notAfterMs] = [Date.parse(last.validFrom), Date.parse(last.validTo)];
      found.set(`${source} ${index} ${owner} ${last.fingerprint256}`, { kind, name, source, notBeforeMs, notAfterMs });
    }
    for (const reference of [tls.certificateSecret ?? null, tls.trustSecret ?? null]) {
      if (reference === null || secrets.isLocal(reference.name)) continue;
      const secret = secrets.get(reference.key);
      if (secret === undefined) continue;
      const { notBeforeWallMs: notBeforeMs, notAfterWallMs: notAfterMs } = secret;
      const kind = secret.value.kind === 'certificate' ? 'certificate' : 'ca';
      found.set(reference.key, { kind, name: reference.name, source: sourceOf(reference), notBeforeMs, notAfterMs });
    }
  }
  return found;
}

function* contexts(configuration: Configuration): Iterable<{ readonly owner: string; readonly tls: TlsCommonConfig }> {
  for (const { value } of configuration.listeners.values())
    for (const chain of [...value.filterChains, value.defaultFilterChain])
      if ((chain?.tls ?? null) !== null) yield { owner: `listener ${value.name}`, tls: chain!.tls! };
  for (const { value } of configuration.clusters.values())
    for (const tls of [value.tls, ...(value.transportMatches ?? []).map((match) => match.tls)])
      if (tls !== null) yield { owner: `cluster ${value.name}`, tls };
}

/** What stands in a configuration is parsed once. */
const inline = new WeakMap<TlsCommonConfig, readonly Held[]>();

function heldBy(owner: string, tls: TlsCommonConfig, secrets: SecretLookup): readonly Held[] {
  const { certificateSecret = null, trustSecret = null } = tls;
  return [
    ...standingIn(owner, tls),
    ...fromSecret(certificateSecret, 'certificate', secrets),
    ...fromSecret(trustSecret, 'ca', secrets),
  ];
}

function standingIn(owner: string, tls: TlsCommonConfig): readonly Held[] {
  const { certificateSecret = null, trustSecret = null } = tls;
  let standing = inline.get(tls);
  if (standing === undefined) {
    const held = (kind: Held['kind'], pem: string): Held => ({
      kind,
      name: owner,
      source: 'inline',
      certificates: pemCertificates(pem),
    });
    standing = [
      ...(certificateSecret === null ? tls.certificates.map(({ chainPem }) => held('certificate', chainPem)) : []),
      ...(trustSecret === null && tls.trustedCaPem !== null ? [held('ca', tls.trustedCaPem)] : []),
    ];
    inline.set(tls, standing);
  }
  return standing;
}

function fromSecret(reference: SecretReference | null, kind: Held['kind'], secrets: SecretLookup): Held[] {
  if (reference === null) return [];
  const secret = secrets.get(reference.key);
  if (secret === undefined || (secret.value.kind === 'certificate') !== (kind === 'certificate')) return [];
  const certificates =
    secret.value.kind === 'certificate' ? pemCertificates(secret.value.chainPem) : secret.certificates;
  return [{ kind, name: reference.name, source: sourceOf(reference), certificates }];
}

function sourceOf({ source }: SecretReference): 'file' | 'sds' {
  return source.kind.endsWith('file') || source.kind.endsWith('files') ? 'file' : 'sds';
}

function details(certificate: X509Certificate, path: string, nowWallMs: number): unknown {
  return {
    path,
    subject_alt_names: (certificate.subjectAltName ?? '')
      .split(', ')
      .filter((name) => name !== '')
      .map(subjectAltName),
    serial_number: certificate.serialNumber.toLowerCase(),
    valid_from: new Date(certificate.validFrom).toISOString(),
    expiration_time: new Date(certificate.validTo).toISOString(),
    days_until_expiration: String(Math.max(0, Math.floor((Date.parse(certificate.validTo) - nowWallMs) / dayMs))),
  };
}

function subjectAltName(name: string): unknown {
  const at = name.indexOf(':');
  const kind = { DNS: 'dns', URI: 'uri', 'IP Address': 'ip_address' }[name.slice(0, at)] ?? 'dns';
  return { [kind]: name.slice(at + 1) };
}
