/** One HTTP/1.1 request on a connection of its own, with nothing added, and the whole answer. */
import { type IncomingHttpHeaders, request } from 'node:http';

export interface Exchange {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface Question {
  readonly path?: string;
  readonly method?: string;
  readonly host?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** Fails when the connection does; any status is an answer. */
export function ask(port: number, question: Question = {}): Promise<Exchange> {
  return new Promise((resolve, reject) => {
    const call = request(
      {
        host: '127.0.0.1',
        port,
        path: question.path ?? '/',
        method: question.method ?? 'GET',
        agent: false,
        headers: { host: question.host ?? 'service.test', ...question.headers },
        setHost: false,
        timeout: 10_000,
      },
      (response) => {
        let body = '';
        response.setEncoding('latin1');
        response.on('data', (text: string) => {
          body += text;
        });
        response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }));
        response.on('error', reject);
      },
    );
    call.on('timeout', () => call.destroy(new Error('no answer within 10 s')));
    call.on('error', reject);
    call.end(question.body);
  });
}

/** Which backend answered; '' when none did. */
export function instanceOf(exchange: Exchange): string {
  return String(exchange.headers['x-instance'] ?? '');
}
