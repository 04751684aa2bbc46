/**
 * Translates between the upgrade of HTTP/1.1 and the extended CONNECT of HTTP/2 (RFC 8441), so that everything above the codecs sees
 * one form, HTTP/1.1's: `GET` with `connection: upgrade`, answered by 101. Envoy does the same.
 */
import { createHash, randomBytes } from 'node:crypto';
import type { HeaderFields } from '../codec/header-fields.ts';
import { headerName } from '../codec/header-name.ts';
import type { RequestHead } from '../codec/message-head.ts';

const connectionName = headerName('connection');
const upgradeName = headerName('upgrade');
const keyName = headerName('sec-websocket-key');
const acceptName = headerName('sec-websocket-accept');

/** The constant of RFC 6455 1.3. */
const websocketGuid = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** Completes the fields of a received extended CONNECT. HTTP/2 has no sec-websocket-key: an HTTP/1.1 server needs one. */
export function addUpgradeFields(fields: HeaderFields, upgrade: string): void {
  fields.append(connectionName, 'upgrade');
  fields.append(upgradeName, upgrade);
  if (upgrade === 'websocket' && !fields.has('sec-websocket-key')) {
    fields.append(keyName, randomBytes(16).toString('base64'));
  }
}

/** What the HTTP/1.1 client that sent this upgrade expects as sec-websocket-accept, or '' when it expects none. */
export function websocketAccept(head: RequestHead): string {
  const key = head.upgrade === 'websocket' ? head.fields.get('sec-websocket-key') : undefined;
  if (key === undefined) return '';
  return createHash('sha1').update(key).update(websocketGuid).digest('base64');
}

/** Completes the fields of a 2xx answer to an extended CONNECT, which goes on as 101. */
export function addUpgradedFields(fields: HeaderFields, upgrade: string, accept: string): void {
  fields.append(connectionName, 'upgrade');
  fields.append(upgradeName, upgrade);
  if (accept !== '') fields.set(acceptName, accept);
}
