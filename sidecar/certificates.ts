/** `/certs`: the certificates in use and how long they last, in Envoy's shape. Never keys. */
import { X509Certificate } from 'node:crypto';
import type { Configuration } from './config/configuration.ts';
import type { TlsCommonConfig } from './config/tls-config.ts';

const dayMs = 86_400_000;

export function certificatesInUse(configuration: Configuration, nowWallMs: number): readonly unknown[] {
  const found: unknown[] = [];
  const add = (tls: TlsCommonConfig | null): void => {
    if (tls === null) return;
    found.push({
      ca_cert: tls.trustedCaPem === null ? [] : [details(tls.trustedCaPem, nowWallMs)],
      cert_chain: tls.certificates.map(({ chainPem }) => details(chainPem, nowWallMs)),
    });
  };
  for (const { value } of configuration.listeners.values()) for (const chain of value.filterChains) add(chain.tls);
  for (const { value } of configuration.clusters.values()) add(value.tls);
  return found;
}

function details(pem: string, nowWallMs: number): unknown {
  const certificate = new X509Certificate(pem);
  return {
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
