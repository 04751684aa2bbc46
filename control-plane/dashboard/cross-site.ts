/** Whether a browser sent a request for a page of another site: the admin port answers none of those, whatever they ask. Programs send none of these fields; who may change something is admin-actions.ts. */
import type { IncomingHttpHeaders } from 'node:http';

/** In words; '' when it may be answered. Also pages of another port of this machine are others. */
export function crossSiteFault(headers: IncomingHttpHeaders): string {
  const { host = '', origin } = headers;
  const site = headers['sec-fetch-site'];
  // Behind a proxy that ends TLS it is https there.
  if (origin !== undefined && origin !== `http://${host}` && origin !== `https://${host}`)
    return `a page of ${JSON.stringify(String(origin).slice(0, 100))} has no part in this`;
  if (site === undefined || site === 'same-origin' || site === 'none') return '';
  // A link that somebody followed: the page itself, which the other site cannot look into.
  if (headers['sec-fetch-mode'] === 'navigate' && headers['sec-fetch-dest'] === 'document') return '';
  return 'pages of other sites have no part in this';
}
