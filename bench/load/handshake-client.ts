/** The process behind handshakes.ts. Takes its HandshakeLoad as JSON in the first argument and prints one line of JSON. */
import { readFileSync } from 'node:fs';
import { connect, createSecureContext } from 'node:tls';
import type { HandshakeLoad } from './handshakes.ts';

const load = JSON.parse(process.argv[2]!) as HandshakeLoad;
const concurrent = 8;
const { tls, port, resume } = load;
const secureContext = createSecureContext({
  cert: readFileSync(tls.certificateFile),
  key: readFileSync(tls.keyFile),
  ca: readFileSync(tls.caFile),
  minVersion: 'TLSv1.3',
});
const request = 'GET / HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n';
const startedMs = performance.now();
const endMs = startedMs + load.seconds * 1000;
let requests = 0;
let failures = 0;
let failureText = '';

function fail(text: string): void {
  failures++;
  failureText = text;
}

/** One connection; gives the session that the next may resume. */
function once(session: Buffer | undefined): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    let next: Buffer | undefined;
    let answered = false;
    const socket = connect({
      port,
      host: '127.0.0.1',
      servername: tls.serverName,
      secureContext,
      ...(session === undefined ? {} : { session }),
    });
    socket.on('session', (ticket) => {
      next = ticket;
    });
    socket.on('secureConnect', () => {
      if (session !== undefined && !socket.isSessionReused()) fail('a session was not resumed');
      socket.write(request);
    });
    socket.on('data', (chunk: Buffer) => {
      if (!answered && chunk.toString('latin1', 0, 12) !== 'HTTP/1.1 200') fail(chunk.toString('latin1', 0, 40));
      answered = true;
    });
    socket.on('error', (error) => fail(error.message));
    socket.on('close', () => {
      requests++;
      if (!answered) fail('no answer');
      resolve(next);
    });
  });
}

async function goOn(): Promise<void> {
  let session: Buffer | undefined;
  while (performance.now() < endMs) {
    const next = await once(session);
    if (resume) session = next;
  }
}

await Promise.all(Array.from({ length: concurrent }, goOn));
console.log(JSON.stringify({ requests, failures, failureText, seconds: (performance.now() - startedMs) / 1000 }));
