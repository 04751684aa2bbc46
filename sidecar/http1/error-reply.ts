/** The answer that a server connection writes by itself to a request that never became a stream. The connection closes behind it. */
import type { ProxyError } from '../codec/proxy-error.ts';
import { statusLine } from './status-line.ts';

/** The whole response as text of bytes. */
export function errorReply(error: ProxyError): string {
  const line = statusLine(error.status, '', 1);
  const body = `${line.slice('HTTP/1.1 '.length)} (${error.flag}, ${error.details}): ${error.message}\n`;
  return `${line}\r\nserver: outrigger\r\nconnection: close\r\ncontent-type: text/plain\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
}
