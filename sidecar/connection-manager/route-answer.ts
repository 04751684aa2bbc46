/** Answers that a route gives by itself: redirects and fixed answers. Not for faults; see local-reply.ts. */
import { HeaderFields } from '../codec/header-fields.ts';
import { headerName } from '../codec/header-name.ts';
import { type RequestHead, ResponseHead } from '../codec/message-head.ts';
import { grpcStatusOfHttp } from '../grpc/grpc-status.ts';
import { redirectLocation } from '../router/redirect.ts';
import type { RouteEntry } from '../router/route-entry.ts';
import { grpcHead, type LocalReply } from './local-reply.ts';

const contentType = headerName('content-type');

/** `route` is not a forwarding one. gRPC callers get a fixed answer as a status (Envoy). */
export function routeAnswer(
  route: RouteEntry,
  request: RequestHead,
  grpc: boolean,
  serverName: string,
  secure: boolean,
): LocalReply {
  const { action, match } = route.config;
  let head: ResponseHead;
  let body: Buffer | null = null;
  switch (action.kind) {
    case 'redirect': {
      const location = redirectLocation(action, match.path, request, secure);
      head = new ResponseHead(action.status, HeaderFields.of(['location', location], ['content-length', '0']));
      break;
    }
    case 'direct-response': {
      if (grpc) {
        head = grpcHead(grpcStatusOfHttp(action.status), action.body.trim(), serverName);
        break;
      }
      head = new ResponseHead(action.status, new HeaderFields());
      // RFC 9110 8.6: these have no content, and no length of one.
      if (action.status === 204 || action.status === 304) break;
      const text = Buffer.from(action.body);
      head.fields.append(contentLength, String(text.length));
      if (text.length > 0) head.fields.append(contentType, 'text/plain');
      if (text.length > 0 && request.method !== 'HEAD') body = text;
      break;
    }
    case 'forward':
      throw new Error(`route ${JSON.stringify(route.name)} forwards; it has no answer of its own`);
  }
  for (const mutation of route.responseHeaders) mutation.apply(head.fields);
  return { head, body };
}

const contentLength = headerName('content-length');
