/** One request through a cluster, as the router would ask for it. */
import type { ClientStream, ResponseReceiver } from '../../codec/codec.ts';
import { HeaderFields } from '../../codec/header-fields.ts';
import { RequestHead, type ResponseHead } from '../../codec/message-head.ts';
import type { ProxyError } from '../../codec/proxy-error.ts';
import type { Cluster, Host, StreamRequest } from '../upstream.ts';

/** A GET, or a POST when there is a body; resolves with the whole answer. */
export function fetchOver(
  cluster: Cluster,
  body = '',
  version: '1.1' | '2' = '1.1',
): Promise<{ status: number; text: string; protocol: string; reused: boolean }> {
  return new Promise((resolve, reject) => {
    let text = '';
    let status = 0;
    let host: Host | null = null;
    let protocol = '';
    let wasReused = false;
    const end = (): void => {
      cluster.onResponse(host!, status, 1);
      resolve({ status, text, protocol, reused: wasReused });
    };
    const request: StreamRequest & ResponseReceiver = {
      onStreamReady(stream: ClientStream, at: Host, reused: boolean): void {
        host = at;
        protocol = stream.connection.protocol;
        wasReused = reused;
        const fields = HeaderFields.of(
          ['host', 'payments'],
          ...(body === '' ? [] : ([['content-length', String(body.length)]] as const)),
        );
        stream.sendHead(
          new RequestHead(body === '' ? 'GET' : 'POST', 'http', 'payments', '/', '1.1', fields),
          body === '',
        );
        if (body !== '') stream.sendData(Buffer.from(body), true);
      },
      onStreamFailed: (error: ProxyError): void => reject(new Error(error.message)),
      onInformational: (): void => {},
      onHead(head: ResponseHead, endStream: boolean): void {
        status = head.status;
        if (endStream) end();
      },
      onData(chunk: Buffer, endStream: boolean): void {
        text += chunk.toString();
        if (endStream) end();
      },
      onTrailers: end,
      onReset: (error: ProxyError): void => reject(new Error(error.message)),
      onWriteBlocked: (): void => {},
      onWriteReady: (): void => {},
    };
    cluster.requestStream(request, { triedHosts: null }, version);
  });
}
