/** One call out of a pod, as an application makes it; its answer as JSON on stdout. Started by {@link InterceptedPods}. */
import { Resolver } from 'node:dns/promises';
import { request } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { Call, CallAnswer } from './intercepted-pods.ts';

const timeoutMs = 5_000;

/** `text` until the other side closes, or, when that takes too long, `until` that is in it. */
function read(socket: ReturnType<typeof connect>, until: string): Promise<CallAnswer> {
  return new Promise((resolve) => {
    let text = '';
    const end = (error: string): void => {
      resolve({ status: 0, text, error });
      socket.destroy();
    };
    socket.setEncoding('utf8');
    socket.on('data', (more: string) => {
      text += more;
      if (until !== '' && text.includes(until)) end('');
    });
    socket.on('end', () => end(''));
    socket.on('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.message));
    socket.setTimeout(timeoutMs, () => end('timeout'));
  });
}

function http({ host, port, name = '', path = '/' }: Call): Promise<CallAnswer> {
  return new Promise((resolve) => {
    const call = request({ host, port, path, timeout: timeoutMs, headers: { host: name } }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (more: string) => (text += more));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text, error: '' }));
    });
    call.on('timeout', () => call.destroy(new Error('timeout')));
    call.on('error', (error: NodeJS.ErrnoException) =>
      resolve({ status: 0, text: '', error: error.code ?? error.message }),
    );
    call.end();
  });
}

/** HTTP/2 without TLS, known beforehand. */
function http2({ host, port, name = '', path = '/' }: Call): Promise<CallAnswer> {
  return new Promise((resolve) => {
    const end = (status: number, text: string, error: string): void => {
      resolve({ status, text, error });
      session.destroy();
    };
    const session = connectHttp2(`http://${host.includes(':') ? `[${host}]` : host}:${port}`);
    session.on('error', (error: NodeJS.ErrnoException) => end(0, '', error.code ?? error.message));
    session.setTimeout(timeoutMs, () => end(0, '', 'timeout'));
    const stream = session.request({ ':authority': name, ':path': path });
    let status = 0;
    let text = '';
    stream.setEncoding('utf8');
    stream.on('response', (headers) => (status = Number(headers[':status'])));
    stream.on('data', (more: string) => (text += more));
    stream.on('error', () => {});
    stream.on('end', () => end(status, text, ''));
    stream.end();
  });
}

/** Node's own client. Says `say` and ends with the answer. */
function websocket({ host, port, path = '/', say = '' }: Call): Promise<CallAnswer> {
  return new Promise((resolve) => {
    const socket = new WebSocket(`ws://${host.includes(':') ? `[${host}]` : host}:${port}${path}`);
    const timer = setTimeout(() => resolve({ status: 0, text: '', error: 'timeout' }), timeoutMs);
    socket.onopen = () => socket.send(say);
    socket.onmessage = ({ data }) => {
      clearTimeout(timer);
      socket.close();
      resolve({ status: 101, text: String(data), error: '' });
    };
    socket.onerror = (event) => {
      clearTimeout(timer);
      resolve({ status: 0, text: '', error: (event as ErrorEvent).message });
    };
  });
}

async function dns({ host, port, name = '' }: Call): Promise<CallAnswer> {
  const resolver = new Resolver({ timeout: 2_000, tries: 2 });
  resolver.setServers([`${host}:${port}`]);
  try {
    return { status: 0, text: (await resolver.resolve4(name)).join(), error: '' };
  } catch (error) {
    return { status: 0, text: '', error: String((error as NodeJS.ErrnoException).code) };
  }
}

async function answer(call: Call): Promise<CallAnswer> {
  const { how, host, port, name = '', say = '', until = '' } = call;
  switch (how) {
    case 'http':
      return http(call);
    case 'http2':
      return http2(call);
    case 'websocket':
      return websocket(call);
    case 'dns':
      return dns(call);
    case 'tls':
      return read(connectTls({ host, port, servername: name, rejectUnauthorized: false }), until);
    case 'tcp': {
      const socket = connect({ host, port });
      if (say !== '') socket.write(say);
      return read(socket, until);
    }
  }
}

process.stdout.write(JSON.stringify(await answer(JSON.parse(process.argv[2]!) as Call)));
