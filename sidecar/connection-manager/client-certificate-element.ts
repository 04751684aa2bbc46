/**
 * What this hop says of its client in `x-forwarded-client-cert`, in Envoy's form: `By=…;Hash=…;Subject="…";URI=…;DNS=…`. Made once per connection. Values with a character that means
 * something in the field are quoted, so that no name in a certificate can pass for another key or another hop.
 */
import type { ForwardClientCertConfig } from '../config/listener-config.ts';
import type { PeerCertificate } from '../transport/peer-certificate.ts';

/** `localUri`: the URI name of our own certificate; ''. */
export function clientCertificateElement(
  { subject, uri, dns }: ForwardClientCertConfig,
  peer: PeerCertificate,
  localUri: string,
): string {
  const parts: string[] = [];
  if (localUri !== '') parts.push(`By=${value(localUri)}`);
  parts.push(`Hash=${peer.sha256}`);
  // Envoy quotes it always; RFC 2253 has escaped the quotes in it.
  if (subject) parts.push(`Subject="${printable(peer.subject)}"`);
  // The key stands there without a value too, as in Envoy.
  if (uri) parts.push(...(peer.uris.length === 0 ? ['URI='] : peer.uris.map((name) => `URI=${value(name)}`)));
  if (dns) parts.push(...peer.dnsNames.map((name) => `DNS=${value(name)}`));
  return parts.join(';');
}

function value(text: string): string {
  const safe = printable(text);
  return /[,;="\\\s]/.test(safe) ? `"${safe.replace(/["\\]/g, '\\$&')}"` : safe;
}

/** Nothing that may not stand in a field value: as in a URI, each such byte is a percent sign and its number. */
function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/gu, (char) =>
    Array.from(Buffer.from(char, 'utf8'), (byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(''),
  );
}
