/** The gate against real authorization services over real sockets: grpc-js and node:http, through the sidecar's own clusters. */
import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  Server as GrpcServer,
  ServerCredentials,
  type ServerUnaryCall,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from 'vitest';
import type { ExtAuthzConfig } from '../../config/ext-authz-config.ts';
import type { RouteGateConfigs } from '../../config/gate-config.ts';
import { anyPath, forward, pathMatch, route } from '../../connection-manager/test/configs.ts';
import { Proxy } from '../../connection-manager/test/proxy.ts';
import {
  type CheckRequest,
  CheckRequestSchema,
  type CheckResponse,
  CheckResponseSchema,
} from '../../xds/api/envoy/service/auth/v3/external_auth_pb.js';
import { extAuthzConfig, grpcService, httpService } from './test/ext-authz-configs.ts';

type Answer = Parameters<typeof create<typeof CheckResponseSchema>>[1];
type Closing = () => Promise<void> | void;

const closings: Closing[] = [];
afterEach(async () => {
  for (const close of closings.splice(0).reverse()) await close();
});

/** What a gRPC service does with a call; null: nothing. */
type Reply = (
  check: CheckRequest,
  call: ServerUnaryCall<CheckRequest, CheckResponse>,
) => Answer | null | Promise<Answer>;

async function answerCall(
  reply: Reply,
  call: ServerUnaryCall<CheckRequest, CheckResponse>,
  done: sendUnaryData<CheckResponse>,
): Promise<void> {
  try {
    const answer = await reply(call.request, call);
    if (answer !== null) done(null, create(CheckResponseSchema, answer));
  } catch (error) {
    done({ code: status.INTERNAL, details: (error as Error).message });
  }
}

async function grpcAuthz(reply: Reply): Promise<number> {
  const server = new GrpcServer();
  server.addService(
    {
      check: {
        path: '/envoy.service.auth.v3.Authorization/Check',
        requestStream: false,
        responseStream: false,
        requestSerialize: (message: CheckRequest) => Buffer.from(toBinary(CheckRequestSchema, message)),
        requestDeserialize: (bytes: Buffer) => fromBinary(CheckRequestSchema, bytes),
        responseSerialize: (message: CheckResponse) => Buffer.from(toBinary(CheckResponseSchema, message)),
        responseDeserialize: (bytes: Buffer) => fromBinary(CheckResponseSchema, bytes),
      },
    },
    {
      check: (call: ServerUnaryCall<CheckRequest, CheckResponse>, done: sendUnaryData<CheckResponse>) =>
        void answerCall(reply, call, done),
    },
  );
  closings.push(() => server.forceShutdown());
  return new Promise((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
      error === null ? resolve(port) : reject(error),
    );
  });
}

async function httpServer(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<number> {
  const server: Server = createServer((request, response) => {
    request.resume();
    answer(request, response);
  });
  closings.push(() => {
    server.closeAllConnections();
    server.close();
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return (server.address() as AddressInfo).port;
}

interface Got {
  readonly status: number;
  readonly headers: Record<string, unknown>;
  readonly body: string;
}

interface Asking {
  readonly path?: string;
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
}

class Setting {
  readonly proxy: Proxy;
  /** Heads of requests that reached the application. */
  readonly reached: readonly IncomingMessage[];
  readonly bodies: readonly string[];

  constructor(proxy: Proxy, reached: readonly IncomingMessage[], bodies: readonly string[]) {
    this.proxy = proxy;
    this.reached = reached;
    this.bodies = bodies;
  }

  static async of(
    servicePort: number | null,
    config: ExtAuthzConfig = extAuthzConfig(),
    gates: RouteGateConfigs | null = null,
  ): Promise<Setting> {
    const reached: IncomingMessage[] = [];
    const bodies: string[] = [];
    const upstreamPort = await httpServer((request, response) => {
      reached.push(request);
      let body = '';
      request.on('data', (chunk: Buffer) => (body += chunk.toString('latin1')));
      request.on('end', () => {
        bodies.push(body);
        response.setHeader('x-app', 'app').end('hello');
      });
    });
    const proxy = await Proxy.start({
      upstreamPort,
      clusters:
        servicePort === null
          ? []
          : [{ name: 'authz', port: servicePort, protocol: config.service.kind === 'grpc' ? 'http2' : 'http1' }],
      routes: [
        route('direct', pathMatch({ kind: 'prefix', value: '/direct' }), {
          kind: 'direct-response',
          status: 418,
          body: 'tea',
        }),
        route('missing', pathMatch({ kind: 'prefix', value: '/missing' }), forward('missing')),
        route('r', anyPath, forward('app'), { gates }),
      ],
      config: { gates: [config] },
    });
    closings.push(() => proxy.close());
    return new Setting(proxy, reached, bodies);
  }

  ask({ path = '/', method = 'GET', headers = {}, body }: Asking = {}): Promise<Got> {
    return new Promise((resolve, reject) => {
      const call = httpRequest({ port: this.proxy.port, path, method, headers, agent: false }, (response) => {
        let text = '';
        response.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
        response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers, body: text }));
      });
      call.on('error', reject);
      call.end(body);
    });
  }

  counter(name: string): number {
    return this.proxy.stats.counters.get(`http.test.ext_authz.${name}`)?.value ?? 0;
  }

  get logged(): Record<string, unknown> {
    return JSON.parse(this.proxy.lines.at(-1)!) as Record<string, unknown>;
  }

  active(cluster = 'authz'): number {
    return this.proxy.stats.gauge(`cluster.${cluster}.upstream_rq_active`).value;
  }
}

const ok = (value: object): Answer => ({ httpResponse: { case: 'okResponse', value } }) as Answer;
const denied = (value: object): Answer =>
  ({ status: { code: 7 }, httpResponse: { case: 'deniedResponse', value } }) as Answer;
const header = (key: string, value: string): object => ({ header: { key, value } });

describe('a service over gRPC', () => {
  it('lets a request pass, with its headers and query changed, and changes the answer', async () => {
    const port = await grpcAuthz(() =>
      ok({
        headers: [header('x-user', 'alice'), header('x-set', 'service')],
        headersToRemove: ['x-gone'],
        responseHeadersToAdd: [header('x-for-client', 'hi')],
        queryParametersToSet: [{ key: 'user', value: 'alice' }],
        queryParametersToRemove: ['token'],
      }),
    );
    const setting = await Setting.of(port);
    const got = await setting.ask({ path: '/pay?token=1&a=b', headers: { 'x-gone': '1', 'x-set': 'caller' } });
    expect(got).toMatchObject({ status: 200, body: 'hello', headers: { 'x-for-client': 'hi', 'x-app': 'app' } });
    expect(setting.reached[0]!.url).toBe('/pay?a=b&user=alice');
    expect(setting.reached[0]!.headers).toMatchObject({ 'x-user': 'alice', 'x-set': 'service' });
    expect(setting.reached[0]!.headers['x-gone']).toBeUndefined();
    expect(setting.counter('ok')).toBe(1);
    expect(setting.active()).toBe(0);
    const madeUp = await setting.ask({ path: '/direct' });
    expect(madeUp).toMatchObject({ status: 418, headers: { 'x-for-client': 'hi' } });
    const failed = await setting.ask({ path: '/missing' });
    expect(failed).toMatchObject({ status: 503, headers: { 'x-for-client': 'hi' } });
  });

  it('denies one, with its own status, headers and text, and nothing reaches the application', async () => {
    const port = await grpcAuthz(() =>
      denied({
        status: { code: 418 },
        headers: [header('set-cookie', 'a=1'), header('set-cookie', 'b=2'), header('server', 'authz')],
        body: 'no coffee',
      }),
    );
    const setting = await Setting.of(port);
    const got = await setting.ask({ method: 'POST', body: 'please' });
    expect(got).toMatchObject({
      status: 418,
      body: 'no coffee',
      headers: { 'set-cookie': ['a=1', 'b=2'], 'content-type': 'text/plain', server: 'outrigger' },
    });
    expect(setting.reached.length).toBe(0);
    expect(setting.logged).toMatchObject({ status: 418, flags: 'UAEX', details: 'ext_authz_denied' });
    expect(setting.counter('denied')).toBe(1);
  });

  it('denies one without a word: 403, and our own words', async () => {
    const setting = await Setting.of(await grpcAuthz(() => ({ status: { code: 7 } })));
    const got = await setting.ask();
    expect(got.status).toBe(403);
    expect(JSON.parse(got.body)).toMatchObject({
      error: 'The authorization service authz denied the request.',
      flag: 'UAEX',
      details: 'ext_authz_denied',
      rule: 'envoy.filters.http.ext_authz',
    });
  });

  it('is named by the policy that asks it, in the answer and the log: denied, allowed, and let pass as nobody answered', async () => {
    const config = extAuthzConfig({ filterName: 'shop/ask' });
    const denying = await Setting.of(await grpcAuthz(() => ({ status: { code: 7 } })), config);
    expect(JSON.parse((await denying.ask()).body)).toMatchObject({ flag: 'UAEX', rule: 'shop/ask' });
    expect(denying.logged).toMatchObject({ flags: 'UAEX', policy: 'shop/ask' });
    const allowing = await Setting.of(await grpcAuthz(() => ok({})), config);
    await allowing.ask();
    expect(allowing.logged).toMatchObject({ status: 200, policy: 'shop/ask' });
    const missing = await Setting.of(null, config);
    expect(JSON.parse((await missing.ask()).body)).toMatchObject({ details: 'ext_authz_error', rule: 'shop/ask' });
    expect(missing.logged).toMatchObject({ policy: 'shop/ask' });
    const open = await Setting.of(null, { ...config, failureModeAllow: true });
    await open.ask();
    expect(open.logged).toMatchObject({ status: 200, policy: 'shop/ask' });
  });

  it.each([204, 304])('denies one with %d, which has no body', async (code) => {
    const setting = await Setting.of(await grpcAuthz(() => denied({ status: { code } })));
    expect(await setting.ask()).toMatchObject({ status: code, body: '' });
  });

  it.each([0, 99, 1000, -1])('denies one with %d, which is no status: 403', async (code) => {
    const setting = await Setting.of(await grpcAuthz(() => denied({ status: { code } })));
    expect((await setting.ask()).status).toBe(403);
  });

  it('denies a gRPC call as one, whatever the service says of content types and success', async () => {
    const setting = await Setting.of(
      await grpcAuthz(() =>
        denied({
          status: { code: 200 },
          headers: [header('content-type', 'text/html'), header('grpc-status', '0'), header('x-why', 'so')],
          body: 'no',
        }),
      ),
    );
    const got = await setting.ask({ method: 'POST', headers: { 'content-type': 'application/grpc', te: 'trailers' } });
    expect(got).toMatchObject({
      status: 200,
      headers: { 'content-type': 'application/grpc', 'grpc-status': '7', 'grpc-message': 'no', 'x-why': 'so' },
    });
  });

  it('is told which route it is, and not asked where the route says so', async () => {
    const asked: CheckRequest[] = [];
    const port = await grpcAuthz((check) => {
      asked.push(check);
      return {};
    });
    const of = (disabled: boolean): RouteGateConfigs =>
      new Map([
        [
          'envoy.filters.http.ext_authz',
          { kind: 'ext-authz', disabled, contextExtensions: new Map([['route', 'pay']]) } as const,
        ],
      ]);
    expect((await (await Setting.of(port, extAuthzConfig(), of(false))).ask()).status).toBe(200);
    expect(asked[0]!.attributes!.contextExtensions).toEqual({ route: 'pay' });
    const off = await Setting.of(port, extAuthzConfig(), of(true));
    expect((await off.ask()).status).toBe(200);
    expect(asked.length).toBe(1);
    expect(off.counter('disabled')).toBe(1);
  });

  it('is asked with its deadline and the metadata of the configuration', async () => {
    let metadata: Record<string, unknown> = {};
    let deadline: unknown = null;
    const port = await grpcAuthz((_check, call) => {
      metadata = call.metadata.getMap();
      deadline = call.getDeadline();
      return {};
    });
    const service = grpcService({ initialMetadata: [['x-mesh', 'shop']] });
    const before = Date.now();
    await (await Setting.of(port, extAuthzConfig({ service }))).ask();
    expect(metadata).toMatchObject({ 'x-mesh': 'shop' });
    expect(Number(deadline)).toBeGreaterThanOrEqual(before + 5000);
    expect(Number(deadline)).toBeLessThanOrEqual(Date.now() + 5000);
  });

  it('wants something that must not be done: 500, also where failures are let pass', async () => {
    const port = await grpcAuthz(() => ok({ headers: [header(':path', '/admin')] }));
    const setting = await Setting.of(port, extAuthzConfig({ failureModeAllow: true }));
    const got = await setting.ask();
    expect(got.status).toBe(500);
    expect(got.body).toContain('it wants to set :path, which is not its to set');
    expect(setting.logged).toMatchObject({ details: 'ext_authz_invalid', flags: 'UAEX' });
    expect(setting.counter('invalid')).toBe(1);
  });

  it.each([
    [
      'fails',
      (): Answer => {
        throw new Error('out of order');
      },
      /could not be asked: gRPC status 13: out of order\./,
    ],
    // Both ends know the deadline: whichever is first.
    [
      'does not answer in time',
      (): null => null,
      /could not be asked: (?:it did not answer within 40 ms|gRPC status 4.*)\./,
    ],
  ] as const)(
    '%s: the request is refused with the configured status, or passes where that is wanted',
    async (_what, reply, why) => {
      const port = await grpcAuthz(reply);
      const service = grpcService({ timeoutMs: 40 });
      const closed = await Setting.of(port, extAuthzConfig({ service, statusOnError: 503 }));
      const got = await closed.ask();
      expect(got.status).toBe(503);
      expect(got.body).toMatch(why);
      expect(closed.logged).toMatchObject({ status: 503, flags: 'UAEX', details: 'ext_authz_error' });
      expect(closed.counter('error')).toBe(1);
      expect(closed.active()).toBe(0);
      const open = await Setting.of(
        port,
        extAuthzConfig({ service, failureModeAllow: true, failureModeAllowHeaderAdd: true }),
      );
      expect((await open.ask({ headers: { 'x-envoy-auth-failure-mode-allowed': 'forged' } })).status).toBe(200);
      expect(open.reached[0]!.headers['x-envoy-auth-failure-mode-allowed']).toBe('true');
      expect([open.counter('error'), open.counter('failure_mode_allowed')]).toEqual([1, 1]);
    },
  );

  it('is not there: refused', async () => {
    const missing = await Setting.of(null);
    expect(await missing.ask()).toMatchObject({ status: 403 });
    const port = await grpcAuthz(() => ({}));
    await closings.pop()!();
    expect(await (await Setting.of(port)).ask()).toMatchObject({ status: 403 });
  });

  it('answers more than anyone needs: refused', async () => {
    const port = await grpcAuthz(() => ok({ headers: [header('x-big', 'a'.repeat(300_000))] }));
    const setting = await Setting.of(port);
    const got = await setting.ask();
    expect(got.status).toBe(403);
    expect(got.body).toContain('the limit is 262144');
  });

  it('hears at once that the caller is gone', async () => {
    const heard = Promise.withResolvers<void>();
    const began = Promise.withResolvers<void>();
    const port = await grpcAuthz((_check, call) => {
      call.on('cancelled', () => heard.resolve());
      began.resolve();
      return null;
    });
    const setting = await Setting.of(port);
    const call = httpRequest({ port: setting.proxy.port, agent: false });
    call.on('error', () => {});
    call.end();
    await began.promise;
    expect(setting.active()).toBe(1);
    call.socket!.resetAndDestroy();
    await heard.promise;
    expect(setting.active()).toBe(0);
    expect(setting.reached.length).toBe(0);
  });

  it('is waited for with the body held, which then goes on whole', async () => {
    const answer = Promise.withResolvers<Answer>();
    const began = Promise.withResolvers<void>();
    const port = await grpcAuthz(() => {
      began.resolve();
      return answer.promise;
    });
    const setting = await Setting.of(port);
    const body = 'x'.repeat(600_000);
    const got = setting.ask({ method: 'POST', body });
    await began.promise;
    expect(setting.reached.length).toBe(0);
    answer.resolve({});
    expect((await got).status).toBe(200);
    expect(setting.bodies).toEqual([body]);
  });
});

describe('a service over HTTP', () => {
  const config = (
    overrides: Parameters<typeof httpService>[0] = {},
    rest: Partial<ExtAuthzConfig> = {},
  ): ExtAuthzConfig => extAuthzConfig({ service: httpService(overrides), ...rest });
  const prefix = (value: string) => ({ kind: 'prefix', value, ignoreCase: false }) as const;

  it('is asked with the head of the request, without its body, and lets it pass', async () => {
    const asked: IncomingMessage[] = [];
    const port = await httpServer((request, response) => {
      asked.push(request);
      response
        .writeHead(200, {
          'x-user': 'alice',
          'x-other': 'no',
          'x-tag': 'b',
          'x-for-client': 'hi',
          'x-envoy-auth-headers-to-remove': 'X-Gone, host, ',
        })
        .end('ignored');
    });
    const setting = await Setting.of(
      port,
      config(
        {
          pathPrefix: '/check',
          headersToAdd: [['x-added', 'yes']],
          upstreamHeaders: [prefix('x-user')],
          upstreamHeadersToAppend: [prefix('x-tag')],
          clientHeadersOnSuccess: [prefix('x-for-client')],
        },
        { allowedHeaders: [prefix('x-told'), prefix('content-'), prefix('transfer-')] },
      ),
    );
    const got = await setting.ask({
      path: '/pay?a=b',
      method: 'POST',
      body: 'hello',
      headers: {
        host: 'orders.shop',
        authorization: 'Basic x',
        'x-told': '1',
        'x-untold': '1',
        'x-tag': 'a',
        'x-gone': '1',
        'content-type': 'text/plain',
      },
    });
    expect(got).toMatchObject({ status: 200, headers: { 'x-for-client': 'hi' } });
    const { method, url, headers } = asked[0]!;
    expect({ method, url, headers }).toEqual({
      method: 'POST',
      url: '/check/pay?a=b',
      headers: {
        host: 'orders.shop',
        'content-length': '0',
        'content-type': 'text/plain',
        authorization: 'Basic x',
        'x-told': '1',
        'x-added': 'yes',
        'x-envoy-expected-rq-timeout-ms': '5000',
      },
    });
    expect(setting.reached[0]!.headers).toMatchObject({ 'x-user': 'alice', 'x-tag': 'a, b', host: 'orders.shop' });
    expect(setting.reached[0]!.headers['x-other']).toBeUndefined();
    expect(setting.reached[0]!.headers['x-gone']).toBeUndefined();
    expect(setting.active()).toBe(0);
  });

  it('denies with what it says', async () => {
    const port = await httpServer((_request, response) => {
      response
        .writeHead(401, { 'www-authenticate': 'Basic', 'x-why': 'so', server: 'authz', connection: 'close' })
        .end('who?');
    });
    const all = await (await Setting.of(port, config())).ask();
    expect(all).toMatchObject({
      status: 401,
      body: 'who?',
      headers: { 'www-authenticate': 'Basic', 'x-why': 'so', server: 'outrigger' },
    });
    const listed = await (await Setting.of(port, config({ clientHeaders: [prefix('x-none')] }))).ask();
    expect(listed.headers['www-authenticate']).toBe('Basic');
    expect(listed.headers['x-why']).toBeUndefined();
  });

  it('denies also with more words than are kept', async () => {
    const port = await httpServer((_request, response) => {
      response.writeHead(403).end('x'.repeat(200_000));
    });
    const setting = await Setting.of(port, config({}, { failureModeAllow: true }));
    const got = await setting.ask();
    expect(got.status).toBe(403);
    expect(got.body).toContain('denied the request');
    expect(setting.active()).toBe(0);
  });

  it.each([500, 503, 599])('%d is a failure, not an answer', async (code) => {
    const port = await httpServer((_request, response) => {
      response.writeHead(code).end();
    });
    expect((await (await Setting.of(port, config())).ask()).status).toBe(403);
    expect((await (await Setting.of(port, config({}, { failureModeAllow: true }))).ask()).status).toBe(200);
  });

  it.each<[string, (request: IncomingMessage, response: ServerResponse) => void]>([
    ['hangs up', (request) => request.socket.destroy()],
    ['says nothing', () => {}],
    [
      'stops in the middle',
      (_request, response) => void response.writeHead(200, { 'content-length': '100' }).write('half'),
    ],
    ['speaks nonsense', (request) => void request.socket.end('what?\r\n\r\n')],
  ])('that %s is a failure', async (_what, answer) => {
    const setting = await Setting.of(await httpServer(answer), config({ timeoutMs: 60 }));
    expect((await setting.ask()).status).toBe(403);
    expect(setting.logged['details']).toBe('ext_authz_error');
    expect(setting.active()).toBe(0);
  });

  it('hears at once that the caller is gone', async () => {
    const heard = Promise.withResolvers<void>();
    const began = Promise.withResolvers<void>();
    const port = await httpServer((request) => {
      request.socket.on('close', () => heard.resolve());
      began.resolve();
    });
    const setting = await Setting.of(port, config());
    const call = httpRequest({ port: setting.proxy.port, agent: false });
    call.on('error', () => {});
    call.end();
    await began.promise;
    call.socket!.resetAndDestroy();
    await heard.promise;
    expect(setting.active()).toBe(0);
  });

  it('is asked again over the connection that it kept open', async () => {
    const sockets = new Set<unknown>();
    const port = await httpServer((request, response) => {
      sockets.add(request.socket);
      response.end();
    });
    const setting = await Setting.of(port, config());
    for (let i = 0; i < 3; i++) expect((await setting.ask()).status).toBe(200);
    expect(sockets.size).toBe(1);
  });
});
