/** The admin endpoint of a whole sidecar, over real sockets. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { ask, RunningSidecar } from './test/running-sidecar.ts';

interface ConfigDump {
  readonly configs: ReadonlyArray<Record<string, unknown>>;
}

describe('what is only looked at', () => {
  let running: RunningSidecar;
  beforeAll(async () => {
    running = await RunningSidecar.start();
    for (let i = 0; i < 3; i++) await ask(running.webPort, 'GET', '/');
  });
  afterAll(() => running.stop());

  const get = async (path: string): Promise<string> => {
    const { status, body } = await running.admin('GET', path);
    expect(status).toBe(200);
    return body;
  };
  const getJson = async (path: string): Promise<unknown> => {
    const { status, headers, body } = await running.admin('GET', path);
    expect([status, headers['content-type']]).toEqual([200, 'application/json']);
    return JSON.parse(body);
  };

  test('/ready is 200 LIVE; 503 while a health check is made to fail', async () => {
    expect(await get('/ready')).toBe('LIVE\n');
    await running.admin('POST', '/healthcheck/fail');
    expect(await running.admin('GET', '/ready')).toMatchObject({ status: 503, body: 'DRAINING\n' });
    await running.admin('POST', '/healthcheck/ok');
    expect(await get('/ready')).toBe('LIVE\n');
  });

  test('/server_info names version, state, node and the command line (envoy.admin.v3.ServerInfo)', async () => {
    expect(await getJson('/server_info')).toEqual({
      version: expect.stringMatching(/^outrigger\/\d/) as string,
      state: 'LIVE',
      uptime_current_epoch: expect.stringMatching(/^\d+s$/) as string,
      uptime_all_epochs: expect.stringMatching(/^\d+s$/) as string,
      hot_restart_version: 'disabled',
      command_line_options: { bootstrap: 'test.yaml' },
      node: {
        id: 'node-1',
        cluster: 'shop/orders',
        metadata: { app_port: 7 },
        locality: { region: '', zone: 'a', sub_zone: '' },
        user_agent_name: 'outrigger',
      },
    });
  });

  test('/stats is one sorted line per value, by pattern, by use, as JSON', async () => {
    const text = await get('/stats?filter=^http\\.web\\.downstream_rq_(total|2xx|5xx)$');
    expect(text).toBe(
      'http.web.downstream_rq_2xx: 3\nhttp.web.downstream_rq_5xx: 0\nhttp.web.downstream_rq_total: 3\n',
    );
    expect(await get('/stats?usedonly&filter=downstream_rq_.xx')).toBe('http.web.downstream_rq_2xx: 3\n');
    const json = (await getJson('/stats?format=json&filter=cluster.app.upstream_rq_total')) as { stats: unknown[] };
    expect(json.stats).toContainEqual({ name: 'cluster.app.upstream_rq_total', value: 3 });
    expect(await get('/stats?filter=^server.live$')).toBe('server.live: 1\n');
  });

  test('/stats is of one kind (?type=, as Envoy names them), and refuses one that there is not', async () => {
    expect(await get('/stats?type=Gauges&filter=^server.live$')).toBe('server.live: 1\n');
    expect(await get('/stats?type=Counters&filter=^server.live$')).toBe('');
    const { stats } = (await getJson('/stats?format=json&type=Histograms')) as { stats: unknown[] };
    expect(stats).toEqual([{ histograms: expect.anything() as unknown }]);
    expect(await running.admin('GET', '/stats?type=counters')).toMatchObject({
      status: 400,
      body: 'type: "counters" is not one of All, Counters, Gauges, Histograms, TextReadouts\n',
    });
  });

  test('/requests: those that were kept, by filter; /requests/ID: one, by its id', async () => {
    const { requests } = (await getJson('/requests?limit=2&direction=inbound')) as { requests: unknown[] };
    expect(requests[0]).toMatchObject({
      ...{
        service: 'shop/orders',
        nodeId: 'node-1',
        direction: 'inbound',
        destination: 'shop/orders',
        listener: 'web',
      },
      ...{ status: 200, protocol: 'HTTP/1.1', kept: 'sample', cluster: 'app' },
      phases: { routed: '0s', admitted: '0s', requestWhole: '0s' },
      attempts: [{ cluster: 'app', why: 'first', status: 200 }],
    });
    const { requestId } = requests[0] as { requestId: string };
    expect(await getJson(`/requests/${encodeURIComponent(requestId)}`)).toMatchObject({ requests: [{ requestId }] });
    expect(await getJson('/requests?errors')).toEqual({ requests: [] });
    expect(await running.admin('GET', '/requests?path=x')).toMatchObject({ status: 400 });
    const { status, body } = await running.admin('GET', '/requests/no%20such');
    expect([status, body.startsWith('there is no record of a request "no such": ')]).toEqual([404, true]);
    expect(await running.admin('POST', `/requests/${requestId}`)).toMatchObject({ status: 405 });
  });

  test('a pattern runs in linear time, and one that is wrong is named (400)', async () => {
    expect(await running.admin('GET', '/stats?filter=%28')).toMatchObject({ status: 400 });
    const { status, body } = await running.admin('GET', '/config_dump?name_regex=a%28%3F%3Db%29');
    expect(status).toBe(400);
    expect(body).toMatch(/^name_regex: "a\(\?=b\)" is not a regular expression/);
  });

  test('/stats/prometheus, and the scrape port, have types, labels and histograms', async () => {
    const { headers, body } = await running.admin('GET', '/stats/prometheus?filter=outrigger_request');
    expect(headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(body).toContain('# TYPE outrigger_requests_total counter');
    expect(body).toMatch(/^outrigger_requests_total\{direction="inbound",[^}]*code="200"[^}]*\} 3$/m);
    expect(body).toMatch(/^outrigger_request_duration_seconds_bucket\{[^}]*le="\+Inf"\} 3$/m);
    expect(await get('/stats?format=prometheus&filter=outrigger_requests_total')).toContain('# TYPE');
  });

  test('/clusters shows hosts and their figures, as text and as JSON', async () => {
    const text = await get('/clusters');
    expect(text).toMatch(/^app::127\.0\.0\.1:\d+::rq_total::3$/m);
    expect(text).toMatch(/^app::127\.0\.0\.1:\d+::health_flags::healthy$/m);
    expect(text).toContain('app::default_priority::max_connections::1024');
    const json = (await getJson('/clusters?format=json')) as { cluster_statuses: unknown[] };
    expect(json.cluster_statuses).toMatchObject([
      {
        name: 'app',
        added_via_api: false,
        host_statuses: [{ health_status: { eds_health_status: expect.anything() } }],
      },
    ]);
  });

  test('/listeners shows the port in use, as text and as JSON', async () => {
    const { webPort } = running;
    expect(await get('/listeners')).toBe(`web::127.0.0.1:${webPort}\n`);
    expect(await getJson('/listeners?format=json')).toEqual({
      listener_statuses: [
        { name: 'web', local_address: { socket_address: { address: '127.0.0.1', port_value: webPort } } },
      ],
    });
  });

  test('/config_dump has the sections of Envoy, one section, or what a pattern names', async () => {
    const { configs } = (await getJson('/config_dump')) as ConfigDump;
    expect(configs.map((section) => String(section['@type']).split('.').at(-1))).toEqual([
      'BootstrapConfigDump',
      'ClustersConfigDump',
      'ListenersConfigDump',
      'RoutesConfigDump',
      'SecretsConfigDump',
    ]);
    expect(configs[1]!['static_clusters']).toMatchObject([{ cluster: { name: 'app' } }]);
    const one = (await getJson('/config_dump?resource=static_listeners')) as ConfigDump;
    expect(one.configs).toMatchObject([{ listener: { name: 'web' } }]);
    const none = (await getJson('/config_dump?resource=static_clusters&name_regex=^other$')) as ConfigDump;
    expect(none.configs).toEqual([]);
    const withEds = (await getJson('/config_dump?include_eds')) as ConfigDump;
    expect(withEds.configs.at(-1)!['@type']).toBe('type.googleapis.com/envoy.admin.v3.EndpointsConfigDump');
  });

  test('/certs is there without certificates', async () => {
    expect(await getJson('/certs')).toMatchObject({ certificates: [], credentials: [] });
  });

  test('/logging says and changes the level, and refuses one that there is not', async () => {
    expect((await running.admin('POST', '/logging')).body).toBe('active log level: info\n');
    expect((await running.admin('POST', '/logging?level=warning')).body).toBe('active log level: warn\n');
    const { status, body } = await running.admin('POST', '/logging?level=loud');
    expect([status, body]).toEqual([400, 'level: "loud" is not one of trace, debug, info, warn, error, off\n']);
    await running.admin('POST', '/logging?level=info');
  });

  test('HEAD is GET without the body; a path that there is not is 404 with those that there are', async () => {
    const head = await running.admin('HEAD', '/ready');
    expect([head.status, head.headers['content-length'], head.body]).toEqual([200, '5', '']);
    const missing = await running.admin('GET', '/nothing');
    expect(missing.status).toBe(404);
    expect(missing.body).toContain('/quitquitquit (POST)');
    expect((await running.admin('GET', '/help')).body).toContain('/config_dump');
  });

  test.each([
    ['GET', '/drain_listeners', 'POST'],
    ['GET', '/drain_listeners?graceful', 'POST'],
    ['HEAD', '/drain_listeners', 'POST'],
    ['PUT', '/drain_listeners', 'POST'],
    ['GET', '/quitquitquit', 'POST'],
    ['DELETE', '/quitquitquit', 'POST'],
    ['GET', '/healthcheck/fail', 'POST'],
    ['GET', '/healthcheck/ok', 'POST'],
    ['GET', '/logging?level=off', 'POST'],
    ['GET', '/reset_counters', 'POST'],
    ['POST', '/stats', 'GET, HEAD'],
    ['POST', '/config_dump', 'GET, HEAD'],
  ])('%s %s is 405 with Allow and changes nothing (Envoy)', async (method, path, allow) => {
    const { status, headers, body } = await running.admin(method, path);
    expect([status, headers['allow']]).toEqual([405, allow]);
    if (method !== 'HEAD')
      expect(body).toBe(`Method ${method} not allowed, ${allow === 'POST' ? 'POST' : 'GET'} required.\n`);
    expect(await get('/ready')).toBe('LIVE\n');
    expect(running.sidecar.log.level).toBe('info');
    expect((await ask(running.webPort, 'GET', '/')).body).toBe('app');
  });
});

describe('what changes something', () => {
  let running: RunningSidecar;
  afterEach(() => running.stop());

  test('POST /reset_counters sets counters and histograms to 0', async () => {
    running = await RunningSidecar.start();
    await ask(running.webPort, 'GET', '/');
    expect((await running.admin('POST', '/reset_counters')).body).toBe('OK\n');
    expect((await running.admin('GET', '/stats?filter=^http.web.downstream_rq_total')).body).toBe(
      'http.web.downstream_rq_total: 0\n',
    );
    expect((await running.admin('GET', '/stats?filter=downstream_rq_time')).body).toContain('No recorded values');
  });

  test('POST /drain_listeners closes the listeners', async () => {
    running = await RunningSidecar.start();
    const { webPort } = running;
    expect(await running.admin('POST', '/drain_listeners')).toMatchObject({ status: 200, body: 'OK\n' });
    await expect(ask(webPort, 'GET', '/')).rejects.toThrow('ECONNREFUSED');
    expect((await running.admin('GET', '/server_info')).status).toBe(200);
  });

  test('POST /drain_listeners?graceful goes on serving, and ends connections after their answer', async () => {
    running = await RunningSidecar.start();
    expect((await running.admin('POST', '/drain_listeners?graceful')).status).toBe(200);
    const answer = await ask(running.webPort, 'GET', '/');
    expect([answer.status, answer.headers['connection']]).toEqual([200, 'close']);
  });

  test('POST /drain_listeners?inboundonly leaves the outbound side alone', async () => {
    running = await RunningSidecar.start();
    const asked: string[] = [];
    const { listeners } = running.sidecar;
    listeners.drain = (direction) => void asked.push(`drain ${direction}`);
    listeners.stopAccepting = (direction) => {
      asked.push(`stop ${direction}`);
      return Promise.resolve();
    };
    for (const query of ['', '?inboundonly', '?graceful', '?graceful&inboundonly'])
      await running.admin('POST', `/drain_listeners${query}`);
    expect(asked).toEqual(['stop all', 'stop inbound', 'drain all', 'drain inbound']);
  });

  test('a page of another site, or by another name, is refused with 403 and a line, and changes nothing (CSRF, DNS rebinding)', async () => {
    running = await RunningSidecar.start();
    const refused = async (method: string, headers: Readonly<Record<string, string>>): Promise<void> => {
      const { status, body } = await running.admin(
        method,
        method === 'GET' ? '/config_dump' : '/quitquitquit',
        headers,
      );
      expect([status, body]).toEqual([403, expect.stringMatching(/^[^\n]+\n$/)]);
    };
    await refused('POST', { 'sec-fetch-site': 'cross-site' });
    await refused('POST', { origin: 'http://evil.test' });
    await refused('POST', { host: 'evil.test' });
    await refused('GET', { host: 'evil.test:15000' });
    expect((await running.admin('GET', '/ready')).body).toBe('LIVE\n');
  });

  test('POST /quitquitquit answers, and ends the process', async () => {
    running = await RunningSidecar.start();
    const { webPort } = running;
    expect(await running.admin('POST', '/quitquitquit')).toMatchObject({ status: 200, body: 'OK\n' });
    await running.stopped;
    await expect(ask(webPort, 'GET', '/')).rejects.toThrow('ECONNREFUSED');
  });
});

describe('a pod that ends', () => {
  test('POST /leave answers when nothing is in hand any more; /ready is 503 from then on', async () => {
    const running = await RunningSidecar.start();
    const answers = await Promise.all([running.admin('POST', '/leave'), running.admin('POST', '/leave')]);
    for (const answer of answers) expect(answer).toMatchObject({ status: 200, body: 'OK\n' });
    expect(await running.admin('GET', '/ready')).toMatchObject({ status: 503, body: 'DRAINING\n' });
    expect(await running.admin('GET', '/leave')).toMatchObject({ status: 405 });
    // The port for scrapers and probes, which anybody may call, changes nothing.
    const probePort = running.sidecar.probePort;
    expect(await ask(probePort, 'POST', '/leave')).toMatchObject({ status: 404 });
    expect(await ask(probePort, 'GET', '/app-drain')).toMatchObject({ status: 200, body: 'OK\n' });
    expect(await ask(probePort, 'GET', '/app-health/web/readiness')).toMatchObject({ status: 404 });
    expect(await ask(probePort, 'POST', '/app-health/web/readiness')).toMatchObject({ status: 405 });
    await running.stop();
  });
});
