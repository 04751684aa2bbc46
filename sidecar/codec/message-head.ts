/**
 * The heads of messages as codecs hand them over: what HTTP/1 has in its first line and HTTP/2 in pseudo-headers,
 * with the fields. The receiver of a head owns it and may change it; a codec never shares one between streams.
 */
import type { HeaderFields } from './header-fields.ts';

export type HttpVersion = '1.0' | '1.1' | '2';

export class RequestHead {
  method: string;
  /** `http` or `https`. HTTP/1 codecs set it from the transport, or from an absolute-form target. */
  scheme: string;
  /** Host header or `:authority`; '' when an HTTP/1.0 client sent none. The HTTP/1 encoder writes this as the value of Host, where `host` stands in `fields`, else first. */
  authority: string;
  /** Path with query (`/a?b`), or `*` for OPTIONS; for CONNECT ''. */
  path: string;
  version: HttpVersion;
  /**
   * Field lines, Host included when HTTP/1 received it; no pseudo-headers. A codec leaves hop-by-hop fields in; the connection
   * manager removes them (hop-by-hop.ts). `transfer-encoding` stays where it stands: the HTTP/1 encoder uses or drops it.
   */
  fields: HeaderFields;
  /** Upgrade token in lower case (`websocket`; HTTP/2: `:protocol` of extended CONNECT), or '' when the request asks for none. */
  upgrade: string;
  /** The target was in absolute form (`GET http://a/b`), as sent to an HTTP proxy. */
  absoluteForm: boolean;

  constructor(
    method: string,
    scheme: string,
    authority: string,
    path: string,
    version: HttpVersion,
    fields: HeaderFields,
    upgrade = '',
    absoluteForm = false,
  ) {
    this.method = method;
    this.scheme = scheme;
    this.authority = authority;
    this.path = path;
    this.version = version;
    this.fields = fields;
    this.upgrade = upgrade;
    this.absoluteForm = absoluteForm;
  }
}

export class ResponseHead {
  status: number;
  /** Reason phrase as received by HTTP/1, or '' (the HTTP/1 encoder then writes the registered one). */
  reason: string;
  version: HttpVersion;
  fields: HeaderFields;

  constructor(status: number, fields: HeaderFields, reason = '', version: HttpVersion = '1.1') {
    this.status = status;
    this.fields = fields;
    this.reason = reason;
    this.version = version;
  }
}
