/**
 * Answers that this proxy makes up: the only place that turns a ProxyError into a response. HTTP status and gRPC status by the response flag, a short body that says
 * what happened, which route it was, and the request id.
 */

import { HeaderFields } from '../codec/header-fields.ts';
import { headerName } from '../codec/header-name.ts';
import { type RequestHead, ResponseHead } from '../codec/message-head.ts';
import { overloadMark } from '../codec/overload-mark.ts';
import type { ProxyError } from '../codec/proxy-error.ts';
import type { ResponseFlag } from '../codec/response-flag.ts';
import { grpcStatusOfHttp } from '../grpc/grpc-status.ts';

/** HTTP status by flag (Envoy); an error that names a status of its own keeps it. All others: 503. */
const statusByFlag: Readonly<Partial<Record<ResponseFlag, number>>> = {
  UT: 504,
  UMSDR: 504,
  SI: 504,
  NR: 404,
  DPE: 400,
  UPE: 502,
  RBAC: 403,
  UAEX: 403,
  RL: 429,
  RLSE: 500,
};

export function replyStatus(error: ProxyError): number {
  return error.status !== 0 ? error.status : (statusByFlag[error.flag] ?? 503);
}

/** gRPC status of a reply for a fault; never one that looks like the application's own (gRFC A54). */
export function replyGrpcStatus(error: ProxyError): number {
  if (error.reply?.grpcStatus !== undefined) return error.reply.grpcStatus;
  switch (error.flag) {
    case 'UT':
    case 'UMSDR':
    case 'SI':
      return 4;
    case '':
    case 'DPE':
    case 'RBAC':
    case 'UAEX':
    case 'FI':
    case 'RLSE':
      return grpcStatusOfHttp(replyStatus(error));
    case 'NR':
      return 12;
    default:
      return 14;
  }
}

export interface LocalReply {
  readonly head: ResponseHead;
  readonly body: Buffer | null;
}

export interface ReplyContext {
  readonly grpc: boolean;
  readonly serverName: string;
  /** '' where there is none. */
  readonly route: string;
  readonly service: string;
  readonly requestId: string;
  readonly wallMs: number;
}

const names = {
  date: headerName('date'),
  requestId: headerName('x-request-id'),
};

/** The reply for a request; gRPC callers get trailers only. */
export function localReply(error: ProxyError, request: RequestHead, context: ReplyContext): LocalReply {
  const reply = context.grpc ? grpcReply(error, context) : plainReply(error, request, context);
  const { fields } = reply.head;
  if (context.requestId !== '') fields.append(names.requestId, context.requestId);
  if (error.flag === 'UO') fields.append(overloadMark, 'true');
  if (error.reply?.fields !== undefined) replace(fields, error.reply.fields);
  return reply;
}

/** All of each name in `others`, and no more of the reply's own. */
function replace(fields: HeaderFields, others: HeaderFields): void {
  for (const { lower } of others.names) fields.delete(lower);
  for (const [i, name] of others.names.entries()) fields.append(name, others.values[i]!);
}

function plainReply(error: ProxyError, request: RequestHead, context: ReplyContext): LocalReply {
  const status = replyStatus(error);
  const given = error.reply?.body;
  const json = given === undefined && wantsJson(request);
  const body = given ?? Buffer.from(json ? jsonBody(error, context) : textBody(error, context));
  const fields = HeaderFields.of(
    ['content-length', String(body.length)],
    ['content-type', given !== undefined ? 'text/plain' : json ? 'application/json' : 'text/plain; charset=utf-8'],
    ['date', new Date(context.wallMs).toUTCString()],
    ['server', context.serverName],
  );
  // These have no body, whoever chose the status (RFC 9110 6.4.1).
  const bodiless = status === 204 || status === 304;
  if (bodiless) fields.delete('content-length');
  if (bodiless || body.length === 0) fields.delete('content-type');
  const sent = bodiless || body.length === 0 || request.method === 'HEAD' ? null : body;
  return { head: new ResponseHead(status, fields), body: sent };
}

function grpcReply(error: ProxyError, context: ReplyContext): LocalReply {
  const flag = error.flag === '' ? '' : `flag ${error.flag}, `;
  const rule = ruleOf(error, context);
  const message =
    error.reply?.body !== undefined
      ? error.reply.body.toString('utf8')
      : `${error.message} [${flag}${error.details}${rule === '' ? '' : `, rule ${rule}`}]`;
  return { head: grpcHead(replyGrpcStatus(error), message, context.serverName), body: null };
}

/** A gRPC response that is only its head. */
export function grpcHead(status: number, message: string, serverName: string): ResponseHead {
  return new ResponseHead(
    200,
    HeaderFields.of(
      ['content-type', 'application/grpc'],
      ['grpc-status', String(status)],
      ['grpc-message', percentEncode(message)],
      ['server', serverName],
    ),
  );
}

/** What is to blame: a policy, or else the route. */
function ruleOf(error: ProxyError, context: ReplyContext): string {
  return error.rule === '' ? context.route : error.rule;
}

/** JSON unless the caller says that it would rather have text: most callers in a mesh are programs. */
function wantsJson(request: RequestHead): boolean {
  const accept = request.fields.get('accept');
  return accept === undefined || accept.includes('*/*') || accept.includes('json');
}

function jsonBody(error: ProxyError, context: ReplyContext): string {
  const { flag } = error;
  const { service, requestId } = context;
  const rule = ruleOf(error, context);
  return `${JSON.stringify({
    error: error.message,
    flag: flag === '' ? undefined : flag,
    details: error.details,
    service: service === '' ? undefined : service,
    rule: rule === '' ? undefined : rule,
    ...error.reply?.facts,
    request_id: requestId === '' ? undefined : requestId,
  })}\n`;
}

function textBody(error: ProxyError, context: ReplyContext): string {
  const parts = error.flag === '' ? [error.details] : [`flag ${error.flag}`, error.details];
  if (context.service !== '') parts.push(`service ${context.service}`);
  const rule = ruleOf(error, context);
  if (rule !== '') parts.push(`rule ${rule}`);
  if (context.requestId !== '') parts.push(`request ${context.requestId}`);
  return `${error.message} [${parts.join(', ')}]\n`;
}

/** gRPC's percent encoding of grpc-message: everything but printable ASCII, and `%`. */
function percentEncode(text: string): string {
  let out = '';
  for (const byte of Buffer.from(text))
    out +=
      byte >= 0x20 && byte <= 0x7e && byte !== 0x25
        ? String.fromCharCode(byte)
        : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  return out;
}
