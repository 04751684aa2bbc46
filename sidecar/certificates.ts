/** The certificates in use and how long they last: `/certs` in Envoy's shape, and the gauge of what is left of each. Inline ones and secrets alike. Never keys. */
import type { X509Certificate } from 'node:crypto';
import type { Configuration } from './config/configuration.ts';
import { type Held, heldBy, sourceOf, standingIn, tlsContexts } from './held-certificates.ts';
import type { SecretLookup, SecretStore } from './secret/secret-store.ts';
import type { StatStore } from './stats/stat-store.ts';

const dayMs = 86_400_000;
const expiryFamily = 'outrigger_certificate_expiry_seconds';

/** One entry for each TLS context, as Envoy has it. */
export function certificatesInUse(
  configuration: Configuration,
  secrets: SecretLookup,
  nowWallMs: number,
): readonly unknown[] {
  return [...tlsContexts(configuration)].map(({ owner, tls }) => {
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
  for (const { owner, tls } of tlsContexts(configuration)) {
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
  for (const { owner, tls } of tlsContexts(configuration)) {
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
