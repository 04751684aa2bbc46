/**
 * A stock Envoy under our control plane enforces AuthorizationPolicies and RequestAuthentications. It comes over the plain door, so its inbound listener takes plaintext and no certificates are needed;
 * policies about callers' identities are in mtls-in-envoy.test.ts.
 */

import { renameSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePorts } from '../peers/free-port.ts';
import { waitFor } from '../peers/started-program.ts';
import { adsBootstrap, type Json } from './envoy-resources.ts';
import { ask, type Exchange, type Question } from './exchange.ts';
import { mesh, service } from './mesh-configuration.ts';
import { type RunningProxy, Stage } from './programs.ts';
import { type RawAnswer, sendRaw } from './raw-exchange.ts';
import { tokenIssuer } from './signed-token.ts';

const users = tokenIssuer('https://users.example', 'a');
const partners = tokenIssuer('https://partners.example', 'b');

describe('Envoy under our control plane', () => {
  const stage = new Stage();
  const file = join(stage.folder, 'mesh.yaml');
  let envoy: RunningProxy;
  let port: number;
  let appPort: number;
  let authorizer: Server;
  let authorize: (path: string, user: string) => number;
  let version = 0;

  beforeAll(async () => {
    const ports = (await freePorts(5)) as [number, number, number, number, number];
    const [xdsPort, controlPlaneAdmin, proxyAdmin, outbound, inbound] = ports;
    port = inbound;
    appPort = (await stage.backend('app')).httpPort;
    authorizer = createServer((request, response) => {
      const status = authorize(request.url ?? '', String(request.headers['x-user'] ?? ''));
      response.writeHead(status, { 'x-verdict': 'asked' }).end(status === 200 ? '' : 'the service said no');
    });
    await new Promise<void>((resolve) => authorizer.listen(0, '127.0.0.1', resolve));
    write([]);
    await stage.controlPlane({
      config: file,
      port: xdsPort,
      adminPort: controlPlaneAdmin,
      dataFolder: join(stage.folder, 'data'),
    });
    const node = {
      id: 'policies',
      cluster: 'shop/orders',
      metadata: {
        app_port: appPort,
        outbound_listen: `127.0.0.1:${outbound}`,
        inbound_listen: `127.0.0.1:${inbound}`,
      },
    };
    envoy = await stage.envoy(adsBootstrap({ node, adminPort: proxyAdmin, xdsPort, variant: 'DELTA_GRPC' }));
  });
  afterAll(async () => {
    authorizer.closeAllConnections();
    authorizer.close();
    await stage.stop();
  });

  function write(documents: readonly Json[]): void {
    const authz = service('authz', [(authorizer.address() as AddressInfo).port]);
    writeFileSync(`${file}.new`, mesh(service('orders', [appPort]), authz, ...documents));
    renameSync(`${file}.new`, file);
  }

  const policy = (kind: string, name: string, spec: Json, namespace = 'shop'): Json => ({
    apiVersion: 'outrigger.dev/v1',
    kind,
    metadata: { name, namespace },
    spec,
  });
  const authorization = (name: string, spec: Json): Json => policy('AuthorizationPolicy', name, spec);
  const allow = (...rules: readonly Json[]): Json => authorization('allow', { rules });
  const deny = (...rules: readonly Json[]): Json => authorization('deny', { action: 'DENY', rules });

  /** Writes the policies, with one beside them that is seen in Envoy's own dump. */
  async function inForce(...documents: readonly Json[]): Promise<void> {
    const name = `mark-${++version}`;
    const never = { action: 'DENY', rules: [{ to: [{ operation: { methods: ['NEVER'] } }] }] };
    write([...documents, authorization(name, never)]);
    await waitFor('the policies to be in force', 15_000, async () => {
      const dump = JSON.parse(await envoy.admin('/config_dump?resource=dynamic_listeners')) as {
        readonly configs?: ReadonlyArray<{ readonly name: string; readonly active_state?: unknown }>;
      };
      const inbound = dump.configs?.find((each) => each.name === 'inbound');
      return JSON.stringify(inbound?.active_state ?? '').includes(`shop/${name}#rule-0`);
    });
  }

  const get = (path: string, question: Question = {}): Promise<Exchange> => ask(port, { path, ...question });
  const statusOf = async (path: string, question: Question = {}): Promise<number> => (await get(path, question)).status;
  /** A header in several lines. */
  const lines = (header: string, ...values: readonly string[]): Promise<RawAnswer> =>
    sendRaw(
      port,
      `GET /any HTTP/1.1\r\nhost: a\r\nconnection: close\r\n${values.map((value) => `${header}: ${value}\r\n`).join('')}\r\n`,
    );
  const statusOfLines = async (header: string, ...values: readonly string[]): Promise<number> =>
    (await lines(header, ...values)).status;

  it('allows everything without a policy, nothing with an ALLOW policy without rules', async () => {
    await waitFor('the listener', 15_000, () =>
      get('/').then(
        ({ status }) => status === 200,
        () => false,
      ),
    );
    await inForce(allow());
    expect(await statusOf('/')).toBe(403);
    await inForce(allow({}));
    expect(await statusOf('/')).toBe(200);
  });

  it('allows by method, path, host and header, and only what one rule has all of', async () => {
    await inForce(
      allow(
        { to: [{ operation: { methods: ['GET'], paths: ['/read/*', '*.txt'] } }, { operation: { paths: ['/open'] } }] },
        {
          to: [{ operation: { hosts: ['admin.shop', '*.internal'] } }],
          when: [{ key: 'request.headers[x-team]', values: ['ops'] }],
        },
      ),
    );
    expect(await statusOf('/read/1?x=/open')).toBe(200);
    expect(await statusOf('/a.txt')).toBe(200);
    expect(await statusOf('/read/1', { method: 'POST' })).toBe(403);
    expect(await statusOf('/open', { method: 'POST' })).toBe(200);
    expect(await statusOf('/opened')).toBe(403);
    const ops = { 'x-team': 'ops' };
    for (const host of ['admin.shop', 'ADMIN.shop:80', 'admin.shop.', 'a.internal', 'A.Internal:8080'])
      expect(await statusOf('/x', { host, headers: ops }), host).toBe(200);
    for (const host of ['admin.shop.example', 'internal', 'a.internal.example'])
      expect(await statusOf('/x', { host, headers: ops }), host).toBe(403);
    expect(await statusOf('/x', { host: 'admin.shop' })).toBe(403);
  });

  it('denies before it allows, and no spelling of a path or host escapes', async () => {
    await inForce(
      allow({}),
      deny({ to: [{ operation: { paths: ['/admin*'] } }] }, { to: [{ operation: { hosts: ['secret.shop'] } }] }),
    );
    expect(await statusOf('/open')).toBe(200);
    for (const path of ['/admin', '/admin/x?y', '/open/../admin', '//admin', '/./admin', '/%61dmin'])
      expect(await statusOf(path), path).toBe(403);
    expect(await statusOf('/open%2F..%2Fadmin')).toBe(400);
    for (const host of ['secret.shop', 'SECRET.shop', 'secret.shop:80', 'secret.shop.', 'secret.shop.:80'])
      expect(await statusOf('/open', { host }), host).toBe(403);
  });

  it('judges each line and element of a header by itself (hardening.md, header rules)', async () => {
    const team = (...values: readonly string[]): Promise<number> => statusOfLines('x-team', ...values);
    /** A raw exchange takes its time, so all at once. */
    const all = (status: number, headers: readonly string[][]): Promise<void[]> =>
      Promise.all(headers.map(async (values) => expect(await team(...values), values.join('|')).toBe(status)));
    await inForce(allow({ when: [{ key: 'request.headers[x-team]', values: ['ops', 'dev-*'] }] }));
    await all(200, [['ops'], ['ops', 'dev-1'], ['ops, dev-2'], ['dev-']]);
    await all(403, [
      [],
      ['sales'],
      ['ops', 'sales'],
      ['sales', 'ops'],
      ['dev-1,sales'],
      ['ops\xff'],
      ['ops', 'x\xff,'],
    ]);
    await inForce(deny({ when: [{ key: 'request.headers[x-team]', values: ['guest', '*-temp'] }] }));
    await all(200, [[], ['ops'], ['guests'], ['ops', 'dev']]);
    await all(403, [['guest'], ['ops', 'guest'], ['guest', 'ops'], ['ops, guest'], ['guest,\xff'], ['\xff,a-temp']]);
    await inForce(allow({ when: [{ key: 'request.headers[x-team]', notValues: ['guest'] }] }));
    await all(200, [[], ['ops', 'dev']]);
    await all(403, [['ops', 'guest']]);
    await inForce(deny({ when: [{ key: 'request.headers[x-team]', notValues: ['ops'] }] }));
    expect(await team('ops')).toBe(200);
    expect(await team('ops', 'guest')).toBe(403);
  });

  it('compares addresses of connections, and conditions in CEL', async () => {
    await inForce(allow({ from: [{ source: { ipBlocks: ['127.0.0.0/8'] } }] }));
    expect(await statusOf('/')).toBe(200);
    await inForce(deny({ from: [{ source: { ipBlocks: ['127.0.0.1'] } }] }));
    expect(await statusOf('/', { headers: { 'x-forwarded-for': '10.0.0.1' } })).toBe(403);
    await inForce(
      deny({
        when: [
          { cel: "request.url_path.startsWith('/cel') && request.method in ['GET', 'HEAD']" },
          { cel: "!('x-pass' in request.headers)" },
        ],
      }),
    );
    expect(await statusOf('/cel/x')).toBe(403);
    expect(await statusOf('/cel/x', { method: 'PUT' })).toBe(200);
    expect(await statusOf('/cel/x', { headers: { 'x-pass': '1' } })).toBe(200);
  });

  it('counts what a dry run would deny, and denies nothing', async () => {
    await inForce(
      allow({}),
      authorization('later', { action: 'DENY', dryRun: true, rules: [{ to: [{ operation: { paths: ['/old'] } }] }] }),
    );
    expect(await statusOf('/old')).toBe(200);
    await waitFor('the dry run to be counted', 5_000, async () =>
      /rbac\.dry_run_\.shadow_denied: [1-9]/.test(await envoy.admin('/stats?filter=shadow_denied')),
    );
  });

  it('verifies tokens: none passes, a bad one is 401, and rules ask for issuer, subject and claims', async () => {
    await inForce(
      policy('RequestAuthentication', 'users', {
        jwtRules: [
          {
            issuer: users.issuer,
            audiences: ['orders'],
            jwks: users.jwks,
            outputClaimToHeaders: [{ header: 'x-user', claim: 'sub' }],
          },
          { issuer: partners.issuer, jwks: partners.jwks, fromHeaders: [{ name: 'x-partner', prefix: 'Token ' }] },
        ],
      }),
      allow(
        { to: [{ operation: { paths: ['/public', '/echo'] } }] },
        {
          from: [{ source: { requestPrincipals: [`${users.issuer}/alice`, `${partners.issuer}/*`] } }],
          to: [{ operation: { paths: ['/mine'] } }],
        },
        {
          to: [{ operation: { paths: ['/staff'] } }],
          when: [{ key: 'request.auth.claims[realm][roles]', values: ['staff'] }],
        },
        {
          to: [{ operation: { paths: ['/scoped'] } }],
          when: [{ key: 'request.auth.claims[scope]', values: ['read:*'] }],
        },
      ),
    );
    const bearer = (claims: Readonly<Record<string, unknown>>): Question => ({
      headers: { authorization: `Bearer ${users.token({ aud: 'orders', ...claims })}` },
    });
    expect(await statusOf('/public')).toBe(200);
    expect(await statusOf('/mine')).toBe(403);
    expect(await statusOf('/mine', bearer({ sub: 'alice' }))).toBe(200);
    expect(await statusOf('/mine', bearer({ sub: 'bob' }))).toBe(403);
    const partner = { headers: { 'x-partner': `Token ${partners.token({ sub: 'anyone' })}` } };
    expect(await statusOf('/mine', partner)).toBe(200);
    expect(await statusOf('/staff', bearer({ sub: 'bob', realm: { roles: ['user', 'staff'] } }))).toBe(200);
    expect(await statusOf('/staff', bearer({ sub: 'bob', realm: { roles: ['user'] } }))).toBe(403);
    expect(await statusOf('/scoped', bearer({ sub: 'bob', scope: 'write:a read:b' }))).toBe(200);
    for (const [what, bad] of [
      ['expired', bearer({ exp: 1 })],
      [
        'of an unknown issuer',
        { headers: { authorization: `Bearer ${tokenIssuer('https://x', 'a').token({ aud: 'orders' })}` } },
      ],
      [
        'with another key',
        { headers: { authorization: `Bearer ${tokenIssuer(users.issuer, 'a').token({ aud: 'orders' })}` } },
      ],
      ['no token at all', { headers: { authorization: 'Bearer nonsense' } }],
      ['of one issuer where the other looks', { headers: { 'x-partner': `Token ${users.token({ aud: 'orders' })}` } }],
    ] as ReadonlyArray<readonly [string, Question]>)
      expect(await statusOf('/public', bad), what).toBe(401);
    // Good, but not for here: Envoy answers 403.
    expect(await statusOf('/public', bearer({ aud: 'payments' }))).toBe(403);
    const seen = JSON.parse(
      (await get('/echo', { headers: { ...bearer({ sub: 'carol' }).headers!, 'x-user': 'mallory' } })).body,
    ) as {
      headers: Record<string, string[]>;
    };
    expect(seen.headers['X-User']).toEqual(['carol']);
    expect(seen.headers['Authorization']).toBeUndefined();
    const forged = JSON.parse((await get('/echo', { headers: { 'x-user': 'mallory' } })).body) as typeof seen;
    expect(forged.headers['X-User']).toBeUndefined();
  });

  it('refuses every token while the keys are not to be had, and takes them when they are', async () => {
    let keys = 'nothing yet';
    const issuer = createServer((_, response) => response.end(keys));
    await new Promise<void>((resolve) => issuer.listen(0, '127.0.0.1', resolve));
    try {
      const jwksUri = `http://127.0.0.1:${(issuer.address() as AddressInfo).port}/keys`;
      await inForce(policy('RequestAuthentication', 'users', { jwtRules: [{ issuer: users.issuer, jwksUri }] }));
      const question = { headers: { authorization: `Bearer ${users.token({ sub: 'alice' })}` } };
      expect(await statusOf('/', question)).toBe(401);
      expect(await statusOf('/')).toBe(200);
      keys = users.jwks;
      await waitFor('the keys to be fetched', 20_000, async () => (await statusOf('/', question)) === 200);
    } finally {
      issuer.closeAllConnections();
      issuer.close();
    }
  });

  it('asks an outside service by HTTP, and denies or passes as the policy says when it does not answer', async () => {
    authorize = (path, user) => (path.startsWith('/check/') && user === 'alice' ? 200 : 401);
    const external = (more: Json): Json =>
      authorization('ask', {
        action: 'EXTERNAL',
        external: {
          service: { name: 'authz', port: 80 },
          protocol: 'http',
          pathPrefix: '/check',
          includeRequestHeaders: ['X-User'],
          headersToUpstream: ['x-verdict'],
          timeout: '2s',
          ...more,
        },
      });
    await inForce(external({}));
    const answer = await get('/a', { headers: { 'x-user': 'alice' } });
    expect(answer.status).toBe(200);
    expect((JSON.parse(answer.body) as { headers: Record<string, string[]> }).headers['X-Verdict']).toEqual(['asked']);
    const refused = await get('/a', { headers: { 'x-user': 'bob' } });
    expect([refused.status, refused.body]).toEqual([401, 'the service said no']);
    authorize = () => 503;
    expect(await statusOf('/a', { headers: { 'x-user': 'alice' } })).toBe(403);
    await inForce(external({ failOpen: true }));
    expect(await statusOf('/a')).toBe(200);
    await inForce(external({ service: { name: 'gone', port: 80 } }));
    expect(await statusOf('/a')).toBe(403);
  });

  it('keeps 1,000 rules', async () => {
    const rules = Array.from({ length: 1_000 }, (_, at) => ({
      from: [{ source: { notPrincipals: [`cluster.local/ns/a/sa/s${at}`] } }],
      to: [{ operation: { methods: ['GET'], paths: [`/rule/${at}`] } }],
    }));
    await inForce(allow(...rules));
    expect(await statusOf('/rule/999')).toBe(200);
    expect(await statusOf('/rule/1000')).toBe(403);
  });
});
