/** What a route changes of the heads that pass it: header mutations and rewrites. Fields that the router tells on its own account are not among them. */
import type { HeaderFields } from '../codec/header-fields.ts';
import { headerName } from '../codec/header-name.ts';
import type { RequestHead } from '../codec/message-head.ts';
import { rewritePath } from './path-rewrite.ts';
import type { RouteEntry } from './route-entry.ts';
import type { WeightedTarget } from './weighted-target.ts';

const originalPath = headerName('x-envoy-original-path');
const originalHost = headerName('x-envoy-original-host');

/** `route` is a forwarding one. */
export function changeRequest(head: RequestHead, route: RouteEntry, target: WeightedTarget): void {
  if (target.requestHeaders !== null) target.requestHeaders.apply(head.fields);
  for (let i = 0; i < route.requestHeaders.length; i++) route.requestHeaders[i]!.apply(head.fields);
  const { prefixRewrite, hostRewrite } = route.forward!;
  if (prefixRewrite !== '') {
    head.fields.set(originalPath, head.path);
    head.path = rewritePath(route.config.match.path, head.path, prefixRewrite);
  }
  if (hostRewrite !== '') {
    head.fields.set(originalHost, head.authority);
    head.authority = hostRewrite;
  }
}

export function changeResponse(fields: HeaderFields, route: RouteEntry, target: WeightedTarget): void {
  if (target.responseHeaders !== null) target.responseHeaders.apply(fields);
  for (let i = 0; i < route.responseHeaders.length; i++) route.responseHeaders[i]!.apply(fields);
}
