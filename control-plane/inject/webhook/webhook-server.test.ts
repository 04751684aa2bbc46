/** The webhook over real HTTPS, with a certificate of a real authority. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { connect as connectTcp, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { CertificateAuthority } from '../../../certs/authority/certificate-authority.ts';
import { issuingClock } from '../../../certs/authority/issuing-clock.ts';
import type { AdmissionReview } from './admission-review.ts';
import { AuthorityWebhookCertificate, FileWebhookCertificate, type WebhookCertificate } from './webhook-certificate.ts';
import { WebhookServer, type WebhookServerOptions } from './webhook-server.ts';

const name = 'outrigger-webhook.outrigger-system.svc';
const log = pino({ enabled: false });
const review = {
  apiVersion: 'admission.k8s.io/v1',
  kind: 'AdmissionReview',
  request: {
    uid: 'u1',
    kind: { group: '', version: 'v1', kind: 'Pod' },
    operation: 'CREATE',
    namespace: 'shop',
    object: {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'a' },
      spec: { containers: [{ name: 'a', image: 'a:1' }] },
    },
  },
};

let folder: string;
let authority: CertificateAuthority;
let server: WebhookServer | null;
let due: Array<{ readonly delayMs: number; readonly callback: () => void }>;
const timer = {
  nowMs: () => Date.now(),
  after: (delayMs: number, callback: () => void) => {
    const entry = { delayMs, callback };
    due.push(entry);
    return () => void (due = due.filter((each) => each !== entry));
  },
};
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'outrigger-webhook-'));
  authority = new CertificateAuthority({
    folder: join(folder, 'authority'),
    trustDomain: 'cluster.local',
    clock: issuingClock(Date.now),
    operatorAuthority: null,
  });
  due = [];
  server = null;
});
/** Reads on until the socket is closed: by an end or by a reset, which `once` would call a failure. */
const closed = (socket: Socket): Promise<unknown> =>
  new Promise((resolve) =>
    socket
      .on('error', () => {})
      .on('close', resolve)
      .resume(),
  );

afterEach(async () => {
  await server?.close();
  authority.close();
  rmSync(folder, { recursive: true });
});

async function start(
  certificate: WebhookCertificate = new AuthorityWebhookCertificate(authority, [name], timer, log),
  limits: WebhookServerOptions['limits'] = {},
): Promise<WebhookCertificate> {
  server = await WebhookServer.start({ host: '127.0.0.1', port: 0 }, { certificate, meshWide: {}, log, limits });
  return certificate;
}

interface Answer {
  readonly status: number;
  readonly body: AdmissionReview;
}
function call(
  body: string | Buffer,
  ca: string,
  options: {
    readonly from?: string;
    readonly path?: string;
    readonly method?: string;
    readonly headers?: Record<string, string>;
  } = {},
): Promise<Answer> {
  const { from = '127.0.0.1', path = '/inject', method = 'POST', headers = {} } = options;
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        host: '127.0.0.1',
        localAddress: from,
        port: server!.port,
        servername: name,
        ca,
        path,
        method,
        agent: false,
        headers: { 'content-type': 'application/json', ...headers },
      },
      (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        response.on('end', () => resolve({ status: response.statusCode!, body: JSON.parse(text) as AdmissionReview }));
      },
    );
    sent.on('error', reject);
    sent.end(body);
  });
}

function serialShown(): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(
      { host: '127.0.0.1', port: server!.port, servername: name, rejectUnauthorized: false },
      () => {
        resolve(socket.getPeerCertificate().serialNumber);
        socket.destroy();
      },
    );
    socket.on('error', reject);
  });
}

test('answers the API server, which knows it by the name of its Service and the mesh’s roots', async () => {
  const certificate = await start();
  const { status, body } = await call(JSON.stringify(review), certificate.caBundle());
  expect(status).toBe(200);
  expect(body.response).toMatchObject({ uid: 'u1', allowed: true, patchType: 'JSONPatch' });
  expect(server!.outcomes).toMatchObject({ injected: 1, malformed: 0 });
});

test('its certificate is renewed at half of its life and when the root changes, without a restart, and the roots with it', async () => {
  const certificate = await start();
  const first = await serialShown();
  expect(due).toHaveLength(1);
  due[0]!.callback();
  const second = await serialShown();
  expect(second).not.toBe(first);
  const roots = certificate.caBundle();
  authority.rotate();
  expect(certificate.caBundle().length).toBeGreaterThan(roots.length);
  authority.force();
  expect(await serialShown()).not.toBe(second);
  // Who still has the old roots beside the new ones goes on.
  expect((await call(JSON.stringify(review), certificate.caBundle())).status).toBe(200);
  expect(due).toHaveLength(1);
});

test('every caller gets an AdmissionReview, whatever it sends', async () => {
  const certificate = await start();
  const ca = certificate.caBundle();
  const cases: ReadonlyArray<readonly [number, Promise<Answer>]> = [
    [404, call('{}', ca, { path: '/' })],
    [405, call('', ca, { method: 'GET' })],
    [415, call('{}', ca, { headers: { 'content-type': 'text/plain' } })],
    [415, call('{}', ca, { headers: { 'content-encoding': 'gzip' } })],
    [400, call('{', ca)],
    [400, call(Buffer.alloc(64, 0xff), ca)],
    [413, call('{}', ca, { headers: { 'content-length': '999999999' } })],
  ];
  for (const [status, answer] of cases)
    expect(await answer).toMatchObject({
      status,
      body: { kind: 'AdmissionReview', response: { uid: '', allowed: false, status: { code: status } } },
    });
  const huge = await call(Buffer.alloc(3 * 1024 * 1024, 0x20), ca, {
    headers: { 'transfer-encoding': 'chunked' },
  }).catch((error: NodeJS.ErrnoException) => error.code);
  // The answer may come before all is sent, and the connection goes.
  if (typeof huge === 'object') expect(huge.status).toBe(413);
  else expect(['EPIPE', 'ECONNRESET']).toContain(huge);
  expect((await call(JSON.stringify(review), ca)).status).toBe(200);
});

test('connections that are held open, with and without TLS, keep no review out', async () => {
  const certificate = await start();
  const held: Socket[] = [];
  const hold = async (from: string, tls: boolean): Promise<void> => {
    const place = { host: '127.0.0.1', port: server!.port, localAddress: from };
    const socket = tls ? connect({ ...place, servername: name, rejectUnauthorized: false }) : connectTcp(place);
    held.push(socket);
    socket.on('error', () => {});
    await once(socket, tls ? 'secureConnect' : 'connect');
    if (!tls) return;
    socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
    await once(socket, 'data');
  };
  try {
    for (let each = 0; each < 140; each++) await hold('127.0.0.1', each % 7 === 0);
    for (let from = 2; from <= 5; from++) for (let each = 0; each < 110; each++) await hold(`127.0.0.${from}`, false);
    for (const from of ['127.0.0.9', '127.0.0.1', '127.0.0.2'])
      expect(await call(JSON.stringify(review), certificate.caBundle(), { from })).toMatchObject({ status: 200 });
    if (!held[0]!.closed) await closed(held[0]!);
  } finally {
    for (const socket of held) socket.destroy();
  }
});

test('who says nothing is closed, and who asks no more: before TLS, after it, and after an answer', async () => {
  await start(undefined, {
    headersTimeout: 50,
    handshakeTimeout: 50,
    keepAliveTimeout: 50,
    connectionsCheckingInterval: 10,
  });
  const place = { host: '127.0.0.1', port: server!.port };
  const tls = { ...place, servername: name, rejectUnauthorized: false };
  const [plain, silent, asked] = [connectTcp(place), connect(tls), connect(tls)];
  asked.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
  await Promise.all([plain, silent, asked].map(closed));
});

test('bodies that do not end keep no review out: the oldest is cut off', async () => {
  const certificate = await start();
  const held = Array.from({ length: 40 }, () => {
    const socket = connect({ host: '127.0.0.1', port: server!.port, servername: name, rejectUnauthorized: false });
    const length = 2 * 1024 * 1024;
    const head = `POST /inject HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n\r\n`;
    socket.write(Buffer.concat([Buffer.from(head), Buffer.alloc(length - 1, 0x20)]));
    return socket;
  });
  try {
    await Promise.race(held.map(closed));
    expect((await call(JSON.stringify(review), certificate.caBundle())).status).toBe(200);
  } finally {
    for (const socket of held) socket.destroy();
  }
});

test('an operator’s certificate comes from files, and a new one without a restart; a broken one changes nothing', async () => {
  const files = { certificate: join(folder, 'tls.crt'), key: join(folder, 'tls.key') };
  const make = (): void => {
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
        '-addext',
        `subjectAltName=DNS:${name}`,
        '-days',
        '2',
        '-keyout',
        files.key,
        '-out',
        files.certificate,
      ],
      { stdio: 'ignore' },
    );
    chmodSync(files.key, 0o600);
  };
  make();
  await start(new FileWebhookCertificate(files, timer, log));
  const first = await serialShown();
  writeFileSync(files.certificate, 'no certificate');
  due[0]!.callback();
  expect(await serialShown()).toBe(first);
  make();
  due[1]!.callback();
  expect(await serialShown()).not.toBe(first);
  writeFileSync(files.certificate, 'no certificate');
  expect(() => new FileWebhookCertificate(files, timer, log)).toThrow(
    /tls\.crt: is not a certificate that goes with its key/,
  );
});
