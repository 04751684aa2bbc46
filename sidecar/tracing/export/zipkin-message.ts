/** Spans → the JSON of Zipkin's API v2 (`POST /api/v2/spans`): a list of spans whose tags are text and whose times are microseconds. Source: zipkin-api, zipkin2-api.yaml. */
import { isIPv6 } from 'node:net';
import type { Span, SpanAttribute } from '../span.ts';

/** As {@link encodeZipkin} takes it: with a comma behind it. */
export function encodeZipkinSpan(span: Span, serviceName: string): Buffer {
  return Buffer.from(`${JSON.stringify(zipkinSpan(span, { serviceName: serviceName.toLowerCase() }))},`);
}

/** `spans`: bytes of {@link encodeZipkinSpan}, one behind the other, in pieces; at least one span. */
export function encodeZipkin(spans: readonly Buffer[]): Buffer {
  const message = Buffer.concat([Buffer.from('['), ...spans]);
  // In the place of the last comma.
  message[message.length - 1] = 0x5d;
  return message;
}

function zipkinSpan(span: Span, localEndpoint: { readonly serviceName: string }): unknown {
  const timestamp = Math.round(span.startWallMs * 1000);
  return {
    traceId: span.traceId,
    id: span.spanId,
    ...(span.parentSpanId === '' ? {} : { parentId: span.parentSpanId }),
    name: span.name.toLowerCase(),
    // What happens within the proxy has no kind there.
    ...(span.kind === 'internal' ? {} : { kind: span.kind.toUpperCase() }),
    timestamp,
    // 0 would say that it is not known.
    duration: Math.max(1, Math.round(span.endWallMs * 1000) - timestamp),
    localEndpoint,
    ...remoteEndpoint(span.attributes),
    ...(span.events.length === 0
      ? {}
      : {
          annotations: span.events.map(({ atWallMs, name }) => ({
            timestamp: Math.round(atWallMs * 1000),
            value: name,
          })),
        }),
    tags: tags(span),
  };
}

/** A tag `error` is how Zipkin tells that a span failed. */
function tags(span: Span): Readonly<Record<string, string>> {
  const tags: Record<string, string> = {};
  for (const [name, value] of span.attributes) tags[name] = String(value);
  if (span.failed) tags['error'] = span.statusMessage === '' ? 'true' : span.statusMessage;
  return tags;
}

function remoteEndpoint(attributes: readonly SpanAttribute[]): { readonly remoteEndpoint?: unknown } {
  let address = '';
  let port = 0;
  for (const [name, value] of attributes) {
    if (name === 'network.peer.address') address = String(value);
    if (name === 'network.peer.port') port = Number(value);
  }
  if (address === '') return {};
  return { remoteEndpoint: { [isIPv6(address) ? 'ipv6' : 'ipv4']: address, ...(port > 0 ? { port } : {}) } };
}
