/** Turns a ResponseHead into the text of its head and decides how the body is framed (RFC 9112 6). Results stand in the fields of the one encoder object. */
import { wellKnown } from '../codec/header-name.ts';
import type { ResponseHead } from '../codec/message-head.ts';
import { framing } from './body-writer.ts';
import { contentLengthOf, noLength } from './field-facts.ts';
import { statusLine } from './status-line.ts';

/** What the request allows the response to be. */
export interface ResponseContext {
  /** HTTP/1.<minor> of the client. */
  readonly minor: number;
  readonly headRequest: boolean;
  /** The answer opens a tunnel: 101, or 2xx to CONNECT. */
  readonly tunnel: boolean;
  /** Upgrade token to name in a 101 that does not name it itself. */
  readonly upgrade: string;
  /** The connection can carry another request after this. */
  readonly keepAlive: boolean;
  /** An HTTP/1.0 client asked for keep-alive, so it must be told. */
  readonly tellKeepAlive: boolean;
}

export class ResponseEncoder {
  framing = 0;
  /** Of a counted body. */
  length = 0;
  /** The connection must close behind this response, as the head says. */
  close = false;

  encode(head: ResponseHead, endStream: boolean, context: ResponseContext): string {
    const { status } = head;
    const { names, values } = head.fields;
    const { tunnel } = context;
    const http10 = context.minor === 0;
    /** The status forbids a body and the fields that frame one. */
    const bodiless = tunnel || status === 204 || status < 200;
    /** Fields that frame a body tell what a GET would have got. */
    const headOnly = bodiless || context.headRequest || status === 304;
    let kind: number = noFraming;
    let length = 0;
    let close = !context.keepAlive && !tunnel;
    let upgradeNamed = false;
    let connectionNamed = false;
    let text = statusLine(status, head.reason, context.minor);
    for (let i = 0; i < names.length; i++) {
      const name = names[i]!;
      switch (name.known) {
        case wellKnown.contentLength:
          if (bodiless || kind !== noFraming) continue;
          length = contentLengthOf(values[i]!);
          if (length < 0) continue;
          kind = framing.counted;
          break;
        case wellKnown.transferEncoding:
          if (bodiless || http10 || kind !== noFraming) continue;
          kind = framing.chunked;
          break;
        case wellKnown.connection: {
          if (/(?:^|[,\s])close(?:$|[,\s])/i.test(values[i]!)) close = !tunnel;
          if (!tunnel) continue;
          connectionNamed = true;
          break;
        }
        case wellKnown.upgrade:
          upgradeNamed = true;
          break;
        default:
          break;
      }
      text += name.wirePrefix + values[i]!;
    }
    if (tunnel) {
      kind = framing.tunnel;
      if (status === 101) {
        if (!connectionNamed) text += '\r\nconnection: Upgrade';
        if (!upgradeNamed) text += `\r\nupgrade: ${context.upgrade}`;
      }
    } else if (headOnly) {
      kind = framing.none;
    } else if (kind === noFraming) {
      if (endStream) {
        text += '\r\ncontent-length: 0';
        kind = framing.counted;
      } else if (http10) {
        kind = framing.untilClose;
        close = true;
      } else {
        text += '\r\ntransfer-encoding: chunked';
        kind = framing.chunked;
      }
    }
    if (close) text += '\r\nconnection: close';
    else if (context.tellKeepAlive && !tunnel) text += '\r\nconnection: keep-alive';
    this.framing = kind;
    this.length = length;
    this.close = close;
    return `${text}\r\n\r\n`;
  }
}

const noFraming: number = noLength;

/** The text of a 1xx head other than 101; it never has a body. */
export function encodeInformational(head: ResponseHead): string {
  const { names, values } = head.fields;
  let text = statusLine(head.status, head.reason, 1);
  for (let i = 0; i < names.length; i++) {
    const { known } = names[i]!;
    if (known === wellKnown.contentLength || known === wellKnown.transferEncoding) continue;
    text += names[i]!.wirePrefix + values[i]!;
  }
  return `${text}\r\n\r\n`;
}
