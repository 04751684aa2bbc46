/**
 * Turns a RequestHead into the text of its head and decides how the body is framed (RFC 9112 6). Results stand in the fields of the one encoder object.
 * A request for a tunnel (upgrade, CONNECT) never says that it has a body: what comes behind its head is not a body, and who took it for one could be made to
 * read other requests as part of it.
 */
import { wellKnown } from '../codec/header-name.ts';
import type { RequestHead } from '../codec/message-head.ts';
import { framing } from './body-writer.ts';
import { contentLengthOf, noLength } from './field-facts.ts';

const noFraming: number = noLength;

export class RequestEncoder {
  framing = 0;
  /** Of a counted body. */
  length = 0;
  /** The request itself asks for the connection to close. */
  close = false;

  encode(head: RequestHead, endStream: boolean): string {
    const { names, values } = head.fields;
    const { upgrade } = head;
    // Extended CONNECT (RFC 8441) becomes the upgrade that it stands for.
    const connect = head.method === 'CONNECT' && upgrade === '';
    const method = head.method === 'CONNECT' && !connect ? 'GET' : head.method;
    const target = connect ? head.authority : head.path === '' ? '/' : head.path;
    const tunnel = connect || upgrade !== '';
    let kind: number = noFraming;
    let length = 0;
    let close = false;
    let hostNamed = false;
    let upgradeNamed = false;
    let connectionNamed = false;
    let text = '';
    for (let i = 0; i < names.length; i++) {
      const name = names[i]!;
      if (name.known === 0) {
        text += name.wirePrefix + values[i]!;
        continue;
      }
      switch (name.known) {
        case wellKnown.host:
          if (!hostNamed) text += name.wirePrefix + head.authority;
          hostNamed = true;
          continue;
        case wellKnown.contentLength:
          if (kind !== noFraming || tunnel) continue;
          length = contentLengthOf(values[i]!);
          if (length < 0) continue;
          kind = framing.counted;
          break;
        case wellKnown.transferEncoding:
          if (kind !== noFraming || tunnel) continue;
          kind = framing.chunked;
          break;
        case wellKnown.connection:
          if (/(?:^|[,\s])close(?:$|[,\s])/i.test(values[i]!)) close = true;
          connectionNamed ||= /(?:^|[,\s])upgrade(?:$|[,\s])/i.test(values[i]!);
          break;
        case wellKnown.upgrade:
          upgradeNamed = true;
          break;
        default:
          break;
      }
      text += name.wirePrefix + values[i]!;
    }
    if (upgrade !== '') {
      if (!connectionNamed) text += '\r\nconnection: Upgrade';
      if (!upgradeNamed) text += `\r\nupgrade: ${upgrade}`;
    }
    if (tunnel) {
      kind = framing.tunnel;
    } else if (kind === noFraming) {
      kind = framing.none;
      if (!endStream) {
        text += '\r\ntransfer-encoding: chunked';
        kind = framing.chunked;
      } else if (head.version === '2' && (method === 'POST' || method === 'PUT' || method === 'PATCH')) {
        // HTTP/2 says by END_STREAM that there is no body; HTTP/1.1 servers expect a length with these methods (RFC 9110 8.6).
        text += '\r\ncontent-length: 0';
      }
    }
    this.framing = kind;
    this.length = length;
    this.close = close;
    return `${method} ${target} HTTP/1.1${hostNamed ? '' : `\r\nhost: ${head.authority}`}${text}\r\n\r\n`;
  }
}
