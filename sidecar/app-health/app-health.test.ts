/** The application's probes as the kubelet makes them, against real servers; by the sidecar's own port for scrapers and probes. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import { createServer as createHttp2, type ServerHttp2Stream } from 'node:http2';
import { createServer as createHttps } from 'node:https';
import { type AddressInfo, createServer as createTcp, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { systemClock } from '../runtime/clock.ts';
import { TimerWheel } from '../runtime/timer-wheel.ts';
import { AppHealth } from './app-health.ts';
import { parseAppProbes } from './app-probe.ts';

const path = '/app-health/web/readiness';
const wheel = new TimerWheel(systemClock);
const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

async function listen(server: Server, host = '127.0.0.1'): Promise<number> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  return (server.address() as AddressInfo).port;
}

function health(handler: object, port: number, podAddress = '', timeoutSeconds = 5): AppHealth {
  const probes = parseAppProbes(JSON.stringify({ [path]: { ...handler, port, timeoutSeconds } }));
  return new AppHealth({ probes, podAddress, clock: systemClock, wheel });
}

describe('HTTP', () => {
  test('the path, headers and Host of the probe, and the kubelet’s user agent, reach the application', async () => {
    let seen: { readonly url: string; readonly headers: IncomingHttpHeaders; readonly names: string[] } | null = null;
    const port = await listen(
      createServer((request, response) => {
        seen = {
          url: request.url!,
          headers: request.headers,
          names: request.rawHeaders.filter((_, at) => at % 2 === 0),
        };
        response.end('secret');
      }),
    );
    const httpGet = {
      path: '/ready?a=b',
      httpHeaders: [
        { name: 'Host', value: 'orders' },
        { name: 'X-Probe', value: 'ü' },
      ],
    };
    const outcome = await health({ httpGet }, port).ask(path, 'kube-probe/1.34');
    expect(outcome).toEqual({ passed: true, text: 'the application answered 200' });
    expect(seen).toMatchObject({
      url: '/ready?a=b',
      headers: { host: 'orders', 'user-agent': 'kube-probe/1.34', accept: '*/*' },
    });
    expect(seen!.names).toContain('X-Probe');
  });

  test.each([
    [200, true],
    [204, true],
    [302, true],
    [399, true],
    [400, false],
    [500, false],
  ])('%i passes: %s (the kubelet’s rule)', async (status, passed) => {
    const port = await listen(createServer((_, response) => response.writeHead(status).end()));
    expect(await health({ httpGet: { path: '' } }, port).ask(path, '')).toEqual({
      passed,
      text: `the application answered ${status}`,
    });
  });

  test('HTTPS is not verified', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'outrigger-probe-'));
    const [key, cert] = [join(folder, 'key'), join(folder, 'cert')];
    execFileSync(
      'openssl',
      [
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:P-256',
        '-nodes',
        '-subj',
        '/CN=x',
        '-keyout',
        key,
        '-out',
        cert,
      ],
      { stdio: 'ignore' },
    );
    const server = createHttps({ key: readFileSync(key), cert: readFileSync(cert) }, (_, response) => response.end());
    rmSync(folder, { recursive: true });
    const port = await listen(server);
    expect(await health({ httpGet: { scheme: 'HTTPS' } }, port).ask(path, '')).toMatchObject({ passed: true });
    const plain = await listen(createServer((_, response) => response.end()));
    expect(await health({ httpGet: { scheme: 'HTTPS' } }, plain).ask(path, '')).toMatchObject({
      passed: false,
      text: expect.stringContaining(`no TLS with port ${plain}`) as string,
    });
  });

  test('an application that does not answer in time has failed, and so has one that says no HTTP', async () => {
    const silent = await listen(createTcp());
    expect(await health({ httpGet: {} }, silent, '', 0.05).ask(path, '')).toEqual({
      passed: false,
      text: `no answer from port ${silent} within 50 ms`,
    });
    const broken = await listen(createTcp((socket) => socket.end('hello\r\n\r\n')));
    expect(await health({ httpGet: {} }, broken).ask(path, '')).toMatchObject({ passed: false });
  });
});

test('TCP: who takes a connection is well; nobody there is not', async () => {
  const server = createTcp((socket) => socket.on('error', () => {}));
  const port = await listen(server);
  expect(await health({ tcpSocket: { port } }, port).ask(path, '')).toEqual({
    passed: true,
    text: `port ${port} takes connections`,
  });
  server.close();
  expect(await health({ tcpSocket: { port } }, port).ask(path, '')).toEqual({
    passed: false,
    text: `nobody listens on port ${port}`,
  });
});

test('who listens on the pod’s own address only is found there', async () => {
  const port = await listen(
    createServer((_, response) => response.end()),
    '127.0.0.7',
  );
  expect(await health({ httpGet: {} }, port).ask(path, '')).toMatchObject({ passed: false });
  expect(await health({ httpGet: {} }, port, '127.0.0.7').ask(path, '')).toMatchObject({ passed: true });
});

describe('gRPC (grpc.health.v1)', () => {
  test.each([
    [1, true, 'the application answered SERVING'],
    [2, false, 'it answered NOT_SERVING'],
  ])('status %i passes: %s', async (status, passed, text) => {
    let asked = '';
    const server = createHttp2();
    server.on('stream', (stream: ServerHttp2Stream, headers) => {
      stream.on('data', (chunk: Buffer) => (asked += chunk.subarray(7).toString()));
      stream.on('end', () => {
        stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
        stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
        stream.end(Buffer.from([0, 0, 0, 0, 2, 0x08, status]));
        expect(headers[':path']).toBe('/grpc.health.v1.Health/Check');
      });
    });
    const port = await listen(server as unknown as Server);
    expect(await health({ grpc: { port, service: 'orders' } }, port).ask(path, '')).toEqual({ passed, text });
    expect(asked).toBe('orders');
  });
});

test('of one probe only so many are made at a time; of an unknown one nothing is', async () => {
  const held = await listen(createTcp());
  const one = health({ httpGet: {} }, held, '', 0.2);
  const all = await Promise.all(Array.from({ length: 9 }, () => one.ask(path, '')));
  expect(all.filter((outcome) => outcome!.text.includes('are under way'))).toHaveLength(1);
  expect(await one.ask(path, '')).toMatchObject({ text: expect.stringContaining('no answer') as string });
  expect(await one.ask('/app-health/other/liveness', '')).toBeNull();
});

test.each([
  ['{', 'is not JSON'],
  ['[]', 'it: is not a map'],
  ['{"/metrics":{}}', '"/metrics": does not begin with /app-health/'],
  ['{"/app-health/a/b":{"port":0,"timeoutSeconds":1}}', '/app-health/a/b.port: is not a port'],
  ['{"/app-health/a/b":{"port":1,"timeoutSeconds":0}}', '/app-health/a/b.timeoutSeconds: is not'],
  ['{"/app-health/a/b":{"port":1,"timeoutSeconds":1}}', '/app-health/a/b: is none of httpGet, tcpSocket and grpc'],
  [
    '{"/app-health/a/b":{"port":1,"timeoutSeconds":1,"httpGet":{"path":"/\\r\\nx: y"}}}',
    '/app-health/a/b.httpGet.path: is not a text',
  ],
  [
    '{"/app-health/a/b":{"port":1,"timeoutSeconds":1,"httpGet":{"httpHeaders":[{"name":"a b","value":""}]}}}',
    'httpHeaders[0].name: "a b" is no name of a header',
  ],
])('--app-probes %s is refused: %s', (text, message) => {
  expect(() => parseAppProbes(text)).toThrow(message);
});
