/** A tap as an HTTP response: a line of JSON for each request, as they end, until somebody has seen enough. */
import type { ServerResponse } from 'node:http';
import { securityHeaders } from '../dashboard/security-headers.ts';
import { type MeshTap, type TapReader } from '../observe/mesh-tap.ts';
import type { LiveAnswer } from '../observe/observe-endpoints.ts';

/** What waits for a slow reader, before records are dropped: Node's own, of a response, is less. */
const mostWaitingBytes = 1024 * 1024;

/** Null: it has begun. `start`: begins it with a reader that `begin` gives, or says why not. */
export function serveTap(
  response: ServerResponse,
  start: (begin: () => TapReader) => LiveAnswer | MeshTap,
): LiveAnswer | null {
  const begin = (): TapReader => {
    response.writeHead(200, {
      'content-type': 'application/x-ndjson',
      'cache-control': 'no-store',
      ...securityHeaders,
      server: 'outrigger',
    });
    response.flushHeaders();
    return {
      write: (line) => response.write(line) || response.writableLength < mostWaitingBytes,
      end: () => response.end(),
    };
  };
  const tap = start(begin);
  if ('status' in tap) return tap;
  response.on('drain', () => tap.onDrain());
  response.on('close', () => tap.stop());
  response.on('error', () => tap.stop());
  return null;
}
