/** node:tls, loaded when first used: it costs a process 6 MB, and many sidecars never speak TLS. */
import type * as tls from 'node:tls';

export function nodeTls(): typeof tls {
  return process.getBuiltinModule('node:tls');
}
