/**
 * Answers that this proxy makes up: the only place that turns a ProxyError into a response. HTTP status and gRPC status by the response flag, a short body that says
 * what happened, which route it was, and the request id.
 */
import { HeaderFields } from '../codec/header-fields.ts';
import { type RequestHead, ResponseHead } from '../codec/message-head.ts';
import type { ProxyError, ResponseFlag } from '../codec/proxy-error.ts';

/** HTTP status by flag (Envoy); an error that names a status of its own keeps it. */
const statusByFlag: Readonly<Partial<Record<ResponseFlag, number>>> = {
  UT: 504,
  UMSDR: 504,
  SI: 504,
  DT: 408,
  NR: 404,
  DPE: 400,
  IH: 400,
  UPE: 502,
};

export function replyStatus(error: ProxyError): number {
  return error.status !== 0 ? error.status : (statusByFlag[error.flag] ?? 503);
}

/** gRPC status of a local reply; never one that looks like the application's own (gRFC A54). */
export function replyGrpcStatus(error: ProxyError): number {
  switch (error.flag) {
    case 'UT':
    case 'UMSDR':
    case 'SI':
      return 4;
    case 'NR':
      return 12;
    case 'DPE':
    case 'IH':
    case 'UPE':
      return 13;
    default:
      return 14;
  }
}

export interface LocalReply {
  readonly head: ResponseHead;
  readonly body: Buffer | null;
}

export interface ReplyContext {
  readonly route: string;
  readonly service: string;
  readonly requestId: string;
}

/** The reply for a request; gRPC callers get trailers only. */
export function localReply(error: ProxyError, request: RequestHead, context: ReplyContext): LocalReply {
  if (isGrpcRequest(request)) {
    const message = `${error.message} [${error.flag} ${error.details}${context.route === '' ? '' : ` route ${context.route}`}]`;
    const fields = HeaderFields.of(['content-type', 'application/grpc'], ['grpc-status', String(replyGrpcStatus(error))], ['grpc-message', percentEncode(message)], ['server', 'outrigger']);
    return { head: new ResponseHead(200, fields), body: null };
  }
  const json = wantsJson(request);
  const body = Buffer.from(json ? jsonBody(error, context) : textBody(error, context));
  const fields = HeaderFields.of(['content-length', String(body.length)], ['content-type', json ? 'application/json' : 'text/plain'], ['server', 'outrigger']);
  return { head: new ResponseHead(replyStatus(error), fields), body: request.method === 'HEAD' ? null : body };
}

export function isGrpcRequest(request: RequestHead): boolean {
  const type = request.fields.get('content-type');
  return type !== undefined && type.startsWith('application/grpc') && !type.startsWith('application/grpc-web');
}

/** JSON unless the caller says that it would rather have text: most callers in a mesh are programs. */
function wantsJson(request: RequestHead): boolean {
  const accept = request.fields.get('accept');
  return accept === undefined || accept.includes('*/*') || accept.includes('json');
}

function jsonBody(error: ProxyError, context: ReplyContext): string {
  return `${JSON.stringify({
    error: error.message,
    flag: error.flag,
    details: error.details,
    ...(context.service === '' ? {} : { service: context.service }),
    ...(context.route === '' ? {} : { rule: context.route }),
    request_id: context.requestId,
  })}\n`;
}

function textBody(error: ProxyError, context: ReplyContext): string {
  const parts = [`flag ${error.flag}`, error.details];
  if (context.service !== '') parts.push(`service ${context.service}`);
  if (context.route !== '') parts.push(`rule ${context.route}`);
  parts.push(`request ${context.requestId}`);
  return `${error.message} [${parts.join(', ')}]\n`;
}

/** gRPC's percent encoding of grpc-message. */
function percentEncode(text: string): string {
  return text.replace(/[^\x20-\x24\x26-\x7e]/g, (char) => encodeURIComponent(char));
}
