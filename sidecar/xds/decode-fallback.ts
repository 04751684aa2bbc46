/** Our own extension of routes for requests that fail → FallbackConfig. */
import type { Message } from '@bufbuild/protobuf';
import type { FallbackConfig, FixedAnswerConfig, StaleAnswerConfig } from '../config/route-resilience-config.ts';
import type { Fallback, Fallback_Answer, Fallback_Stale } from './api/outrigger/resilience/v1/fallback_pb.js';
import { methodNames } from './decode-methods.ts';
import { bounded, durationMs, hasControlCharacter, settableHeader } from './decode-value.ts';
import { at, type Faults } from './fault.ts';

/** A week: what is older is no answer any more. */
const mostAgeMs = 7 * 86_400_000;
const mostEntryBytes = 1024 * 1024;
const defaultEntryBytes = 64 * 1024;
const mostVaryBy = 16;
const mostHeaders = 32;
const mostBodyBytes = 16 * 1024;
const mostStatusCodes = 32;
/** Those that change nothing (RFC 9110 9.2.1). That PUT and DELETE do the same when they run twice holds for one server, not for two. */
const safeMethods = ['GET', 'HEAD', 'OPTIONS', 'TRACE'];
const gatewayFailures = [502, 503, 504];

/** Null: it says that there is none. */
export function fallback(message: Message, path: string, faults: Faults): FallbackConfig | null {
  const { policy, service, stale, answer, methods, statusCodes } = message as Fallback;
  const codesPath = at(path, 'status_codes');
  if (statusCodes.length > mostStatusCodes)
    faults.add(codesPath, `has ${statusCodes.length} entries; ${mostStatusCodes} is the limit`);
  if (service?.cluster === '') faults.add(at(path, 'service.cluster'), 'must not be empty');
  const config = Object.freeze({
    policy,
    service:
      service === undefined
        ? null
        : {
            cluster: service.cluster,
            timeoutMs:
              service.timeout === undefined
                ? null
                : durationMs(service.timeout, 0, at(path, 'service.timeout'), faults),
          },
    stale: stale === undefined ? null : staleAnswer(stale, at(path, 'stale'), faults),
    answer: answer === undefined ? null : fixedAnswer(answer, at(path, 'answer'), faults),
    methods: methodNames(methods, safeMethods, at(path, 'methods'), faults),
    statusCodes:
      statusCodes.length === 0
        ? gatewayFailures
        : statusCodes.map((code, i) => bounded(code, 0, 400, 599, at(codesPath, i), faults)),
  });
  return config.service === null && config.stale === null && config.answer === null ? null : config;
}

function staleAnswer(
  { maxAge, maxEntryBytes, varyBy }: Fallback_Stale,
  path: string,
  faults: Faults,
): StaleAnswerConfig {
  const here = at(path, 'max_age');
  const maxAgeMs = durationMs(maxAge, 0, here, faults);
  if (maxAge === undefined) faults.add(here, 'is missing');
  else if (maxAgeMs === 0) faults.add(here, 'must be above 0');
  else if (maxAgeMs > mostAgeMs) faults.add(here, `${maxAgeMs / 1000} s is above ${mostAgeMs / 1000} s`);
  const varyPath = at(path, 'vary_by');
  if (varyBy.length > mostVaryBy) faults.add(varyPath, `has ${varyBy.length} entries; ${mostVaryBy} is the limit`);
  for (const [i, name] of varyBy.entries())
    if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name))
      faults.add(at(varyPath, i), `${JSON.stringify(name)} is not a header name`);
  return {
    maxAgeMs,
    maxEntryBytes: bounded(maxEntryBytes, defaultEntryBytes, 1, mostEntryBytes, at(path, 'max_entry_bytes'), faults),
    varyBy: varyBy.map((name) => name.toLowerCase()),
  };
}

function fixedAnswer(message: Fallback_Answer, path: string, faults: Faults): FixedAnswerConfig {
  const { status, headers, body, grpcStatus = null, grpcMessage } = message;
  if (status !== 0) bounded(status, 0, 200, 599, at(path, 'status'), faults);
  else if (grpcStatus === null) faults.add(path, 'needs status or grpc_status');
  if (grpcStatus !== null) bounded(grpcStatus, 0, 0, 16, at(path, 'grpc_status'), faults);
  const headersPath = at(path, 'headers');
  if (headers.length > mostHeaders)
    faults.add(headersPath, `has ${headers.length} entries; ${mostHeaders} is the limit`);
  for (const [i, { name, value }] of headers.entries()) {
    const here = at(headersPath, i);
    if (!settableHeader(name)) faults.add(at(here, 'name'), `${JSON.stringify(name)} is not a header that can be set`);
    if (hasControlCharacter(value))
      faults.add(at(here, 'value'), 'has a character that may not stand in a header value');
  }
  if (Buffer.byteLength(body) > mostBodyBytes)
    faults.add(at(path, 'body'), `has ${Buffer.byteLength(body)} bytes; ${mostBodyBytes} is the limit`);
  return { status, headers: headers.map(({ name, value }) => [name, value] as const), body, grpcStatus, grpcMessage };
}
