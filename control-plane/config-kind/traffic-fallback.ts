/** `fallback` of a TrafficPolicy: what callers get instead of a failure. */
import { z } from 'zod';
import { dnsLabel } from './dns-name.ts';
import { durationMs, durationWithin, optionalMs } from './duration.ts';
import { checkEnabled, enabled } from './enabled-part.ts';
import { grpcStatusNames } from './grpc-status-name.ts';
import { headerEntries, headerName } from './header-filter.ts';
import { wholeWithin } from './number-within.ts';
import { repeatedMethods } from './repeated-methods.ts';
import { portNumber } from './route-reference.ts';
import type { FallbackSettings } from './traffic-resource.ts';

const maxBodyBytes = 16 * 1024;

const answer = z
  .strictObject({
    status: wholeWithin(200, 599).optional().describe('For HTTP; without it HTTP callers get none'),
    headers: headerEntries.optional().describe('Default: Content-Type: text/plain where there is a body'),
    body: z
      .string()
      .refine((text) => Buffer.byteLength(text) <= maxBodyBytes, { error: `is longer than ${maxBodyBytes} bytes` })
      .optional(),
    grpc: z
      .strictObject({
        status: z.enum(grpcStatusNames),
        message: z.string().max(1_024, { error: 'is longer than 1024 characters' }).optional(),
      })
      .optional()
      .describe('For gRPC calls. Default: what status stands for, with body as message'),
  })
  .check(({ value, issues }) => {
    const add = (path: string[], message: string): number =>
      issues.push({ code: 'custom', continue: true, input: value, path, message });
    if (value.status === undefined && value.grpc === undefined) add([], 'needs status, or grpc, or both');
    if (value.status === undefined && value.body !== undefined) add(['body'], 'needs status: gRPC calls have no body');
    if ((value.status === 204 || value.status === 304) && value.body !== undefined)
      add(['body'], `has no place: an answer ${value.status} has none (RFC 9110)`);
  });

const ways = ['service', 'lastGoodAnswer', 'answer'] as const;

export const fallback = z
  .strictObject({
    enabled,
    service: z
      .strictObject({
        namespace: dnsLabel.optional().describe("Default: the policy's"),
        name: dnsLabel,
        port: portNumber,
        timeout: durationWithin('0s', '99999h').optional().describe('Its time; 0s: none. Default: that of the route'),
      })
      .optional()
      .describe('Another Service, asked once'),
    lastGoodAnswer: z
      .strictObject({
        maxAge: durationWithin('1s', '168h').describe('Older ones are not given'),
        maxEntryBytes: wholeWithin(1, 1_048_576).optional().describe('Larger bodies are not kept. Default: 65536'),
        varyBy: z
          .array(headerName)
          .min(1, { error: 'is empty; leave it out' })
          .max(16, { error: 'has more than 16 entries' })
          .optional()
          .describe('Headers of requests by which answers differ, beside those that Vary names: who the user is, say'),
      })
      .optional()
      .describe('The last good answer to the same GET, kept in the memory of the sidecar'),
    answer: answer.optional().describe('A fixed answer'),
    methods: repeatedMethods
      .optional()
      .describe(
        'Of requests that service may be asked after the first one may have acted on them. Default: GET, HEAD, OPTIONS, TRACE',
      ),
    statusCodes: z
      .array(wholeWithin(400, 599))
      .min(1, { error: 'is empty; leave it out' })
      .max(32, { error: 'has more than 32 entries' })
      .optional()
      .describe('Answers that are failures, once retries are used up. Default: 502, 503, 504'),
  })
  .check((context) => {
    if (!checkEnabled(context)) return;
    const { value, issues } = context;
    const add = (path: string[], message: string): number =>
      issues.push({ code: 'custom', continue: true, input: value, path, message });
    if (ways.every((way) => value[way] === undefined)) add([], `says not what; give ${ways.join(', ')}, or several`);
    if (value.methods !== undefined && value.service === undefined) add(['methods'], 'has a meaning with service only');
  });

/** `policy`: as logs name it; `namespace`: its own. */
export function fallbackSettings(
  written: z.output<typeof fallback> | undefined,
  policy: string,
  namespace: string,
): FallbackSettings | 'off' | null {
  if (written === undefined) return null;
  if (written.enabled === false) return 'off';
  const { service, lastGoodAnswer: last, answer: fixed } = written;
  return {
    policy,
    service:
      service === undefined
        ? null
        : {
            namespace: service.namespace ?? namespace,
            name: service.name,
            port: service.port,
            timeoutMs: optionalMs(service.timeout),
          },
    lastGoodAnswer:
      last === undefined
        ? null
        : {
            maxAgeMs: durationMs(last.maxAge),
            maxEntryBytes: last.maxEntryBytes ?? 65_536,
            varyBy: (last.varyBy ?? []).map((name) => name.toLowerCase()),
          },
    answer:
      fixed === undefined
        ? null
        : {
            status: fixed.status ?? 0,
            headers: fixed.headers ?? [],
            body: fixed.body ?? '',
            grpcStatus: fixed.grpc === undefined ? null : grpcStatusNames.indexOf(fixed.grpc.status),
            grpcMessage: fixed.grpc?.message ?? '',
          },
    methods: written.methods ?? [],
    statusCodes: written.statusCodes ?? [],
  };
}
