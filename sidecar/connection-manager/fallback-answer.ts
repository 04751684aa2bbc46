/** Answers that stand in a failure's place: the last good one, or a fixed one. Marked as such; see also local-reply.ts for failures. */
import { HeaderFields } from '../codec/header-fields.ts';
import { headerName } from '../codec/header-name.ts';
import { type RequestHead, ResponseHead } from '../codec/message-head.ts';
import type { FixedAnswerConfig } from '../config/route-resilience-config.ts';
import { grpcStatusOfHttp } from '../grpc/grpc-status.ts';
import { fallbackMark, markOf } from '../router/fallback/fallback-mark.ts';
import type { ReadyAnswer, TakenFallback } from '../router/fallback/request-fallback.ts';
import { grpcHead, type LocalReply } from './local-reply.ts';

const names = {
  age: headerName('age'),
  contentLength: headerName('content-length'),
  contentType: headerName('content-type'),
  date: headerName('date'),
  fallback: headerName(fallbackMark),
  requestId: headerName('x-request-id'),
  server: headerName('server'),
};

export interface FallbackContext {
  readonly grpc: boolean;
  readonly serverName: string;
  readonly requestId: string;
  readonly wallMs: number;
}

export function fallbackAnswer(
  ready: ReadyAnswer,
  taken: TakenFallback,
  request: RequestHead,
  context: FallbackContext,
): LocalReply {
  const { head, body } =
    ready.kind === 'stale' ? staleAnswer(ready.answer, request) : fixedAnswer(ready.answer, request, context);
  const { fields } = head;
  fields.set(names.fallback, markOf(taken));
  if (!fields.has('server')) fields.append(names.server, context.serverName);
  if (!fields.has('date')) fields.append(names.date, new Date(context.wallMs).toUTCString());
  if (context.requestId !== '') fields.set(names.requestId, context.requestId);
  return { head, body };
}

/** As it was, with its age (RFC 9111 5.1). */
function staleAnswer(
  { fields, body, ageSeconds }: Extract<ReadyAnswer, { kind: 'stale' }>['answer'],
  { method }: RequestHead,
): LocalReply {
  const head = new ResponseHead(200, fields.clone());
  head.fields.append(names.contentLength, String(body.length));
  head.fields.append(names.age, String(ageSeconds));
  return { head, body: method === 'HEAD' || body.length === 0 ? null : body };
}

/** A gRPC call gets the status that is said for it, or what the HTTP status stands for. */
function fixedAnswer(
  config: FixedAnswerConfig,
  { method }: RequestHead,
  { grpc, serverName }: FallbackContext,
): LocalReply {
  const { status, grpcStatus, grpcMessage, body: text } = config;
  if (grpc) {
    const message = grpcMessage === '' ? text.trim() : grpcMessage;
    const head = grpcHead(grpcStatus ?? grpcStatusOfHttp(status), message, serverName);
    setFields(head.fields, config);
    return { head, body: null };
  }
  const head = new ResponseHead(status, new HeaderFields());
  const body = Buffer.from(text);
  // These have no content, and no length of one (RFC 9110 8.6).
  const bodiless = status === 204 || status === 304;
  if (!bodiless) head.fields.append(names.contentLength, String(body.length));
  if (!bodiless && body.length > 0) head.fields.append(names.contentType, 'text/plain; charset=utf-8');
  setFields(head.fields, config);
  return { head, body: bodiless || body.length === 0 || method === 'HEAD' ? null : body };
}

/** All values of each name that is configured, in place of ours. */
function setFields(fields: HeaderFields, { headers }: FixedAnswerConfig): void {
  for (const [name] of headers) fields.delete(name.toLowerCase());
  for (const [name, value] of headers) fields.append(headerName(name), value);
}
