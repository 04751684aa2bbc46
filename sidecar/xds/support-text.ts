/** docs/xds-support.md, made from supported-fields.ts. */
import { supportedFields } from './supported-fields.ts';

export function supportText(): string {
  let text = `# Envoy fields that the sidecar takes

Generated from \`sidecar/xds/supported-fields.ts\` by \`node sidecar/xds/print-support.ts\`. A field that is set and not listed here is refused by its path: at
start-up when it stands in the bootstrap, by a NACK when it comes by xDS. *ignored* fields may be there and change nothing, for the reason given.

## Not built of the protocol itself

A response that uses one of these is refused as one that uses an unknown field is; what a response brought beside it is taken.

- \`envoy.service.discovery.v3.Resource.ttl\` (a resource that ends by itself), and the wrapped \`Resource\` that carries it in state-of-the-world responses: the sidecar does not say
  \`xds.config.supports-resource-ttl\` or \`xds.config.supports-resource-ttl-in-sotw\` among its \`client_features\`, so no control plane should send one. What it had last goes on, also
  without a control plane.
- Types other than Cluster, ClusterLoadAssignment, Listener, RouteConfiguration and Secret: never asked for, and ignored with a warning when they come.

## Where it takes less or more than Envoy

- A certificate that claims a SPIFFE identity must be one by every rule of the X509-SVID standard (one URI name, no authority, key usage), also where no name is asked for.
- A secret that the control plane takes away goes on for who uses it, until nothing refers to it.
- Names in \`x-forwarded-client-cert\` are quoted where they hold one of \`, ; = "\`; Envoy quotes the subject only.
- A cluster whose TLS context has no \`trusted_ca\` takes any certificate, as in Envoy; the sidecar says so in one warning for each such cluster. Names to match without a \`trusted_ca\` are refused, as in Envoy.
- Certificates, keys and CAs in files are watched, with or without \`watched_directory\`.
`;
  for (const [message, fields] of Object.entries(supportedFields)) {
    text += `\n## \`${message}\`\n\n`;
    const entries = Object.entries(fields);
    if (entries.length === 0) text += 'No fields: its presence is what counts.\n';
    for (const [name, note] of entries) text += `- \`${name}\`${note === '' ? '' : `: ${note}`}\n`;
  }
  return text;
}
