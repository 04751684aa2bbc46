/**
 * The same rules, run by Envoy and then by our sidecar, let the same requests pass, and say the same of it in the access log. Where we are stricter on purpose stands in `deliberate`.
 */
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { caPem, orders, storefront, twonames } from '../../sidecar/transport/test/certificates.ts';
import { freePorts } from '../peers/free-port.ts';
import { Stage } from './programs.ts';
import { caseNames, conditions, principals, type RbacPorts, rbacBootstrap } from './rbac-bootstrap.ts';

const clients = { orders, storefront, twonames };

interface Question {
  readonly port: 'plain' | 'edge' | 'tls';
  readonly method?: string;
  readonly path: string;
  readonly host?: string;
  readonly headers?: readonly string[];
  /** Of the client, over TLS. */
  readonly certificate?: keyof typeof clients;
}

interface Answer {
  readonly status: number;
  /** The line of the access log. */
  readonly logged: string;
}

/** Fields that each case is asked with, by name. */
const fieldSets: Readonly<Record<string, readonly string[]>> = {
  none: [],
  '1': ['x-a: 1'],
  '1 and b': ['x-a: 1', 'x-b: 1'],
  b: ['x-b: 1'],
  '2': ['x-a: 2'],
  '3': ['x-a: 3'],
  'a word': ['x-a: ab'],
  'a word in upper case': ['x-a: AB'],
  empty: ['x-a:'],
  'a list in one line': ['x-a: 1,2'],
  'beyond ASCII': ['x-a: \u00c3\u00a9'],
  'a lone byte beyond ASCII': ['x-a: a\u00e9'],
  'capital beyond ASCII': ['x-a: \u00c3\u0080'],
  'other bytes that fold alike': ['x-a: \u00e3\u0080'],
  'a name that objects have': ['__proto__: 1', 'constructor: x'],
  'forwarded for': ['x-forwarded-for: 10.1.2.3'],
  'forwarded for, two hops': ['x-forwarded-for: 10.1.2.3, 10.9.9.9'],
  'forwarded for, nonsense': ['x-forwarded-for: nobody'],
  'forwarded for, IPv6': ['x-forwarded-for: 2001:db8::1'],
  'two that match alike': ['x-a: 1', 'x-a: 1'],
};

const tails: Readonly<Record<string, Partial<Question> & { readonly tail: string }>> = {
  'path one': { tail: 'one' },
  'path one with a query': { tail: 'one?q=1' },
  'path two': { tail: 'two' },
  'path in upper case': { tail: 'ONE' },
  'path with dots': { tail: 'two/../one' },
  'path with escapes': { tail: '%6fne' },
  POST: { tail: '', method: 'POST' },
  'another host': { tail: '', host: 'b.test' },
};

const questions: Record<string, Question> = {};
for (const name of caseNames) {
  if (name === 'authenticated') continue;
  for (const action of ['allow', 'deny'] as const) {
    const path = `/${name}/${action}/`;
    for (const [fields, headers] of Object.entries(fieldSets))
      questions[`${name} ${action}: ${fields}`] = { port: 'plain', path, headers };
    for (const [what, { tail, ...rest }] of Object.entries(tails))
      questions[`${name} ${action}: ${what}`] = { port: 'plain', path: path + tail, ...rest };
    if (name.startsWith('remote-ip') || name.startsWith('direct'))
      for (const fields of Object.keys(fieldSets).filter((each) => each.startsWith('forwarded')))
        questions[`${name} ${action} at the edge: ${fields}`] = { port: 'edge', path, headers: fieldSets[fields]! };
    if (!Object.hasOwn(principals, name) && !Object.hasOwn(conditions, name) && !name.startsWith('server-name'))
      continue;
    // All of them have URI names: what other names count for, and two of them, stands in `deliberate`.
    if (name === 'dns-exact' || name === 'subject') continue;
    for (const certificate of ['orders', 'storefront'] as const)
      questions[`${name} ${action} by ${certificate}`] = { port: 'tls', path, certificate };
    questions[`${name} ${action} over TLS without a certificate`] = { port: 'tls', path };
  }
}
for (const fields of ['none', '1', '2']) {
  for (const path of [
    '/no-policies/allow/',
    '/no-policies/deny/',
    '/log/',
    '/only-tried/',
    '/off/',
    '/own/',
    '/nowhere',
  ])
    questions[`${path}: ${fields}`] = { port: 'plain', path, headers: fieldSets[fields]! };
}

/** Both values of a header; Envoy (1.38 and later) wants one of them to match, whatever follows from it. */
const both = { port: 'plain', headers: ['x-a: 1', 'x-a: 2'] } as const;
const deliberate: Readonly<
  Record<string, { readonly question: Question; readonly envoy: number; readonly ours: number }>
> = {
  'ALLOW wants every value of a header to match': {
    question: { ...both, path: '/exact/allow/' },
    envoy: 200,
    ours: 403,
  },
  'ALLOW wants every value of a header to match, the other way round': {
    question: { ...both, path: '/exact/allow/', headers: ['x-a: 2', 'x-a: 1'] },
    envoy: 200,
    ours: 403,
  },
  'DENY is content with one value (alike)': { question: { ...both, path: '/exact/deny/' }, envoy: 403, ours: 403 },
  'DENY of what is not 1 is content with one that is not': {
    question: { ...both, path: '/exact-inverted/deny/' },
    envoy: 200,
    ours: 403,
  },
  'ALLOW of what is not 1 wants none that is (alike)': {
    question: { ...both, path: '/exact-inverted/allow/' },
    envoy: 403,
    ours: 403,
  },
  'DENY under not wants every value to match': {
    question: { ...both, path: '/not-rule/deny/' },
    envoy: 200,
    ours: 403,
  },
  // Else an address range would be got around by writing the address in the other form.
  'an IPv4 address in IPv6 form is that IPv4 address': {
    question: { port: 'plain', path: '/remote-ip/deny/', headers: ['x-forwarded-for: ::ffff:10.1.2.3'] },
    envoy: 200,
    ours: 403,
  },
  // Whoever signs for another trust domain may write any DNS name and subject beside its identity.
  'who has a URI name is not known by its DNS name': {
    question: { port: 'tls', path: '/dns-exact/allow/', certificate: 'orders' },
    envoy: 200,
    ours: 403,
  },
  'who has a URI name is not known by its subject': {
    question: { port: 'tls', path: '/subject/allow/', certificate: 'storefront' },
    envoy: 200,
    ours: 403,
  },
  // An identity is one URI name (SPIFFE X509-SVID 2): the handshake ends.
  'who has two URI names is nobody': {
    question: { port: 'tls', path: '/some-principal/allow/', certificate: 'twonames' },
    envoy: 200,
    ours: 0,
  },
  // Envoy's documentation: any user that is authenticated.
  'who came by TLS without a certificate is not authenticated': {
    question: { port: 'tls', path: '/authenticated/allow/' },
    envoy: 200,
    ours: 403,
  },
  // SPIFFE X509-SVID 2: with two it would be anybody's guess which one counts; the handshake is over then.
  'who shows two identities is not let in': {
    question: { port: 'tls', path: '/or-ids/allow/', certificate: 'twonames' },
    envoy: 200,
    ours: 0,
  },
  'who came by TLS with a certificate is (alike)': {
    question: { port: 'tls', path: '/authenticated/allow/', certificate: 'orders' },
    envoy: 200,
    ours: 200,
  },
};

describe('the same rules on Envoy and on the sidecar', () => {
  const stage = new Stage();
  const answers = { envoy: new Map<string, Answer>(), sidecar: new Map<string, Answer>() };
  const differing = { envoy: new Map<string, number>(), sidecar: new Map<string, number>() };
  const stats = { envoy: [] as string[], sidecar: [] as string[] };

  beforeAll(async () => {
    const [admin, plain, tls, edge] = (await freePorts(4)) as [number, number, number, number];
    const ports = { admin, plain, tls, edge };
    // One after the other: it is one file, ports and all.
    for (const program of ['envoy', 'sidecar'] as const) {
      const logFile = join(stage.folder, 'logs', `${program}-access.log`);
      const proxy = await stage[program](rbacBootstrap(ports, logFile));
      const statuses = new Map<string, number>();
      const names = Object.keys(questions);
      for (let at = 0; at < names.length; at += 50) {
        const some = names.slice(at, at + 50);
        const found = await Promise.all(some.map((name) => send(ports, questions[name]!, names.indexOf(name))));
        for (const [i, name] of some.entries()) statuses.set(name, found[i]!);
      }
      for (const line of (await proxy.admin('/stats')).split('\n'))
        if (line.startsWith('http.plain.rbac.')) stats[program].push(line);
      for (const [name, { question }] of Object.entries(deliberate))
        differing[program].set(name, await send(ports, question, 0));
      await proxy.program.stop();
      const lines = new Map<string, string>();
      for (const line of readFileSync(logFile, 'utf8').split('\n').slice(0, names.length)) {
        const blank = line.indexOf(' ');
        lines.set(line.slice(0, blank), line.slice(blank + 1));
      }
      for (const [i, name] of names.entries())
        answers[program].set(name, { status: statuses.get(name)!, logged: lines.get(String(i)) ?? 'not logged' });
    }
  }, 180_000);
  afterAll(() => stage.stop());

  it('lets some pass and denies some', () => {
    const count = (status: number): number =>
      [...answers.sidecar.values()].filter((each) => each.status === status).length;
    expect([count(200), count(403)].every((some) => some > Object.keys(questions).length / 4)).toBe(true);
    expect(answers.envoy.get('exact deny: 1')!.logged).toBe('403 rbac_access_denied_matched_policy[a_first#rule-0]');
  });

  it.each([...caseNames.filter((name) => name !== 'authenticated'), '/'])('%s', (name) => {
    const about = (program: 'envoy' | 'sidecar'): Record<string, Answer> =>
      Object.fromEntries(
        [...answers[program]].filter(([question]) => question.startsWith(name === '/' ? name : `${name} `)),
      );
    expect(about('sidecar')).toEqual(about('envoy'));
  });

  it.each(Object.keys(deliberate))('different on purpose: %s', (name) => {
    const { envoy, ours } = deliberate[name]!;
    expect({ envoy: differing.envoy.get(name), ours: differing.sidecar.get(name) }).toEqual({ envoy, ours });
  });

  it('counts alike, under the same names', () => {
    expect(stats.sidecar.toSorted()).toEqual(stats.envoy.filter((line) => !line.includes('logged')).toSorted());
  });
});

/** The status; 0 when there was no answer. Bytes as they are, on a connection of its own: client libraries put repeated headers together. */
function send(ports: RbacPorts, question: Question, number: number): Promise<number> {
  const { port, method = 'GET', path, host = 'a.test', headers = [], certificate } = question;
  const head = [
    `${method} ${path} HTTP/1.1`,
    `host: ${host}`,
    `x-question: ${number}`,
    'connection: close',
    ...headers,
  ];
  if (method === 'POST') head.push('content-length: 0');
  const shown = certificate === undefined ? undefined : clients[certificate];
  return new Promise((resolve) => {
    const socket =
      port === 'tls'
        ? connectTls({
            host: '127.0.0.1',
            port: ports.tls,
            servername: 'Orders.shop',
            ca: caPem,
            ...(shown === undefined ? {} : { cert: shown.chainPem, key: shown.keyPem }),
            checkServerIdentity: () => undefined,
          })
        : connect(ports[port], '127.0.0.1');
    let answer = '';
    socket.on('data', (part) => {
      answer += part.toString('latin1');
      const end = answer.indexOf('\r\n\r\n');
      const length = Number(/^content-length: (\d+)/im.exec(answer)?.[1] ?? 0);
      // Envoy takes its time to close.
      if (end >= 0 && answer.length >= end + 4 + length) socket.destroy();
    });
    socket.on('close', () => resolve(Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1] ?? 0)));
    // 'close' follows.
    socket.on('error', () => {});
    socket.write(`${head.join('\r\n')}\r\n\r\n`, 'latin1');
  });
}
