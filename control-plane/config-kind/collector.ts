/** Where telemetry is sent: an address, or a Service of the mesh. */
import { isIP } from 'node:net';
import { z } from 'zod';
import { dnsLabel } from './dns-name.ts';
import { portNumber } from './route-reference.ts';
import type { CollectorTarget } from './telemetry-resource.ts';

const host = /^(?:[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/;

const address = z.string().refine((text) => parseAddress(text) !== null, {
  error: 'is not host:port; write it as otel-collector.example:4317, 10.0.0.7:4317 or [fd00::7]:4317',
});

/** One of the two stands; checked by {@link checkCollector}. */
export const collectorFields = {
  address: address.optional().describe('host:port, in plain text: for a collector beside the proxy'),
  service: z
    .strictObject({
      name: dnsLabel,
      namespace: dnsLabel.optional().describe("Default: the document's namespace"),
      port: portNumber,
    })
    .optional()
    .describe('A Service of the mesh, with mTLS, load balancing and limits as for any caller of it'),
};

interface WrittenCollector {
  readonly address?: string | undefined;
  readonly service?:
    | { readonly name: string; readonly namespace?: string | undefined; readonly port: number }
    | undefined;
}

export function checkCollector(context: {
  readonly value: WrittenCollector;
  readonly issues: z.core.$ZodRawIssue[];
}): void {
  const { value, issues } = context;
  if ((value.address === undefined) !== (value.service === undefined)) return;
  issues.push({
    code: 'custom',
    continue: true,
    input: value,
    path: value.address === undefined ? [] : ['service'],
    message:
      value.address === undefined
        ? 'says not where it is; give address or service'
        : 'stands beside address; one of them says where it is',
  });
}

export function collectorTarget(
  { address: text, service }: WrittenCollector,
  namespace: string,
  path: string,
): CollectorTarget {
  if (service !== undefined)
    return {
      kind: 'service',
      namespace: service.namespace ?? namespace,
      service: service.name,
      port: service.port,
      path: `${path}.service`,
    };
  return { kind: 'address', ...parseAddress(text!)!, path: `${path}.address` };
}

function parseAddress(text: string): { readonly host: string; readonly port: number } | null {
  const parts = /^(?:\[(?<ipv6>[^\]%]+)\]|(?<name>[^:[\]]+)):(?<port>\d{1,5})$/.exec(text)?.groups;
  if (parts === undefined) return null;
  const { ipv6, name } = parts;
  const port = Number(parts['port']);
  const valid =
    ipv6 === undefined ? host.test(name!) && name!.length <= 253 && !looksLikeBadIp(name!) : isIP(ipv6) === 6;
  return valid && port >= 1 && port <= 65_535 ? { host: ipv6 ?? name!, port } : null;
}

/** Four numbers that are no address are no name either. */
function looksLikeBadIp(text: string): boolean {
  return /^[\d.]+$/.test(text) && isIP(text) !== 4;
}
