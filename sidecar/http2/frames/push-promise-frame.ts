/**
 * PUSH_PROMISE (RFC 9113 6.6). Push is not supported: we announce SETTINGS_ENABLE_PUSH = 0 as a client, a client may never
 * push to a server, so receiving one is a connection error either way. We never send it.
 */
import { ConnectionFault } from '../connection-fault.ts';
import { protocolError } from '../error-code.ts';

export function refusePushPromise(): never {
  throw new ConnectionFault(protocolError, 'http2.push_promise', 'PUSH_PROMISE is not accepted (RFC 9113 8.4)');
}
