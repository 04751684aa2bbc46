/**
 * An application of the chaos test, a process of its own: answers after the time that the path asks for, and appends to its log what it executed, before it does. A line is written without a buffer of this process, so that a SIGKILL
 * cannot lose it. SIGTERM: it takes no new connection, and finishes what it has in hand, as a well-behaved application does.
 *
 * `node service-program.ts INSTANCE http|http2 PORT LOGFILE`
 */
import { openSync, writeSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import {
  createServer as createHttp2Server,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type ServerHttp2Session,
} from 'node:http2';
import { nowMs, type ServiceRecord } from './records.ts';

const [instance, protocol, port, logFile] = process.argv.slice(2) as [string, 'http' | 'http2', string, string];
type Request = IncomingMessage | Http2ServerRequest;
type Response = ServerResponse | Http2ServerResponse;

const log = openSync(logFile, 'a');

function write(request: Request, event: ServiceRecord['event']): void {
  const id = String(request.headers['x-request-id']);
  const record: ServiceRecord = { id, method: request.method!, instance, event, atMs: nowMs() };
  writeSync(log, `${JSON.stringify(record)}\n`);
}

function serve(request: Request, response: Response): void {
  write(request, 'started');
  const workMs = Number(new URL(request.url!, 'http://service').searchParams.get('ms'));
  request.resume();
  request.on('end', () => {
    setTimeout(() => {
      write(request, 'finished');
      response.setHeader('x-instance', instance);
      response.end(`done by ${instance}\n`);
    }, workMs);
  });
}

if (protocol === 'http') {
  const server = createServer(serve);
  server.listen(Number(port), '127.0.0.1', () => console.log('listening'));
  process.on('SIGTERM', () => {
    server.close(() => process.exit(0));
    setInterval(() => server.closeIdleConnections(), 20);
  });
} else {
  const sessions = new Set<ServerHttp2Session>();
  const server = createHttp2Server(serve as (request: Http2ServerRequest, response: Http2ServerResponse) => void);
  server.on('session', (session) => {
    sessions.add(session);
    session.on('close', () => sessions.delete(session));
  });
  server.listen(Number(port), '127.0.0.1', () => console.log('listening'));
  process.on('SIGTERM', () => {
    server.close(() => process.exit(0));
    for (const session of sessions) session.close();
  });
}
