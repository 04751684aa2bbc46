/** docs/xds-support.md, made from supported-fields.ts. */
import { supportedFields } from './supported-fields.ts';

export function supportText(): string {
  let text = `# Envoy fields that the sidecar takes

Generated from \`sidecar/xds/supported-fields.ts\` by \`node sidecar/xds/print-support.ts\`. A field that is set and not listed here is refused by its path: at
start-up when it stands in the bootstrap, by a NACK when it comes by xDS. *ignored* fields may be there and change nothing, for the reason given.
`;
  for (const [message, fields] of Object.entries(supportedFields)) {
    text += `\n## \`${message}\`\n\n`;
    const entries = Object.entries(fields);
    if (entries.length === 0) text += 'No fields: its presence is what counts.\n';
    for (const [name, note] of entries) text += `- \`${name}\`${note === '' ? '' : `: ${note}`}\n`;
  }
  return text;
}
