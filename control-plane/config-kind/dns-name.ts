/** Names as Kubernetes has them: RFC 1123 labels and subdomains, label keys and values. Only the shape; whether a thing of that name exists is the model's question. */
import { z } from 'zod';

const label = '[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?';

/** A name of a Service, a namespace or a port: RFC 1123 label, at most 63 characters. */
export const dnsLabel = z.string().regex(new RegExp(`^${label}$`), {
  error:
    'is not a name: 1 to 63 lower-case letters, digits and "-", beginning and ending with a letter or digit (RFC 1123 label)',
});

/** A name of a route: RFC 1123 subdomain, at most 253 characters. */
export const dnsSubdomain = z
  .string()
  .max(253, { error: 'is longer than 253 characters' })
  .regex(new RegExp(`^${label}(?:\\.${label})*$`), {
    error:
      'is not a name: lower-case letters, digits, "-" and ".", beginning and ending with a letter or digit (RFC 1123 subdomain)',
  });

/** A host name without a wildcard (Gateway API PreciseHostname). */
export const preciseHostname = z
  .string()
  .max(253, { error: 'is longer than 253 characters' })
  .regex(new RegExp(`^${label}(?:\\.${label})*$`), {
    error: 'is not a host name: lower-case labels joined by ".", no port, no wildcard (RFC 1123)',
  });

const labelKey = z
  .string()
  .regex(/^(?:[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?\/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/, {
    error: 'is not a label key: [prefix/]name, at most 63 letters, digits, "-", "_" and "."',
  });

const labelValue = z.string().regex(/^(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/, {
  error:
    'is not a label value: at most 63 letters, digits, "-", "_" and ".", beginning and ending with a letter or digit',
});

export const labels = z.record(labelKey, labelValue);
