/**
 * A whole sidecar on real sockets, and a service that slows from 10 ms to 2 s and recovers. Time is the test's: it moves on by 10 ms once everything that was sent has arrived, so that nothing depends on how fast the machine is.
 */
import { Agent, createServer, request, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type AdminAnswer, ask } from '../admin/test/running-sidecar.ts';
import type { Clock } from '../runtime/clock.ts';
import { Log } from '../runtime/log.ts';
import { Sidecar } from '../server.ts';
import { parseBootstrap } from '../xds/bootstrap-file.ts';

const stepMs = 10;
const quickMs = 10;
const slowMs = 2_000;

class TestClock implements Clock {
  ms = 10_000;

  nowMs(): number {
    return this.ms;
  }

  wallMs(): number {
    return 1_790_000_000_000 + this.ms;
  }
}

const clock = new TestClock();

/** Answers when its time has come, by the test's clock. */
class Service {
  readonly #server: Server;
  readonly #due: Array<{ readonly response: ServerResponse; readonly atMs: number }> = [];
  latencyMs = quickMs;
  arrived = 0;
  onArrival: () => void = () => {};

  constructor() {
    this.#server = createServer((_incoming, response) => {
      this.arrived++;
      this.#due.push({ response, atMs: clock.ms + this.latencyMs });
      this.onArrival();
    });
  }

  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return (this.#server.address() as AddressInfo).port;
  }

  /** Answers what is due, and says how many. */
  answerDue(): number {
    const due = this.#due.filter(({ atMs }) => atMs <= clock.ms);
    for (const { response } of due) response.end('fine');
    for (const each of due) this.#due.splice(this.#due.indexOf(each), 1);
    return due.length;
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

interface Answered {
  readonly status: number;
  readonly flag: string;
  readonly tookMs: number;
}

/** One path of the sidecar, and how its requests fare. */
class Traffic {
  readonly service: Service;
  readonly #port: number;
  readonly #path: string;
  readonly #agent = new Agent({ keepAlive: true });
  readonly answers: Answered[] = [];
  sent = 0;
  #onAnswer: () => void = () => {};

  constructor(service: Service, port: number, path: string) {
    this.service = service;
    this.#port = port;
    this.#path = path;
  }

  /** Until it has arrived at the service, or the sidecar has answered it. */
  async send(): Promise<void> {
    const settled = new Promise<void>((resolve) => {
      this.service.onArrival = resolve;
      this.#onAnswer = resolve;
    });
    this.sent++;
    const fromMs = clock.ms;
    const call = request({ host: '127.0.0.1', port: this.#port, path: this.#path, agent: this.#agent }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (body += chunk));
      response.on('end', () => {
        const status = response.statusCode ?? 0;
        const flag = status === 200 ? '' : (JSON.parse(body) as { flag: string }).flag;
        this.answers.push({ status, flag, tookMs: clock.ms - fromMs });
        this.#onAnswer();
      });
    });
    call.end();
    await settled;
  }

  /** Until the callers have what is due. */
  async answerDue(): Promise<void> {
    const wanted = this.answers.length + this.service.answerDue();
    while (this.answers.length < wanted) await new Promise<void>((resolve) => (this.#onAnswer = resolve));
  }

  close(): void {
    this.#agent.destroy();
  }
}

const typeUrl = 'type.googleapis.com/';
const breaker = {
  '@type': `${typeUrl}outrigger.resilience.v1.CircuitBreaker`,
  rule: 'TrafficPolicy shop/slow',
  window: '1s',
  slow_calls: { longer_than: '0.2s' },
  open_time: '1s',
  jitter_percent: 0,
};

function bootstrap(slowPort: number, fastPort: number): string {
  const manager = `${typeUrl}envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager`;
  const loopback = (port: number): object => ({ socket_address: { address: '127.0.0.1', port_value: port } });
  const cluster = (name: string, port: number, more = {}): object => ({
    name,
    type: 'STATIC',
    load_assignment: {
      cluster_name: name,
      endpoints: [{ lb_endpoints: [{ endpoint: { address: loopback(port) } }] }],
    },
    ...more,
  });
  const route = (name: string): object => ({ name, match: { prefix: `/${name}` }, route: { cluster: name } });
  return JSON.stringify({
    node: { id: 'a', cluster: 'shop/web' },
    admin: { address: loopback(0) },
    static_resources: {
      listeners: [
        {
          name: 'outbound',
          address: loopback(0),
          filter_chains: [
            {
              filters: [
                {
                  name: 'hcm',
                  typed_config: {
                    '@type': manager,
                    stat_prefix: 'outbound',
                    route_config: {
                      virtual_hosts: [{ name: 'v', domains: ['*'], routes: ['slow', 'fast'].map(route) }],
                    },
                    http_filters: [
                      {
                        name: 'router',
                        typed_config: { '@type': `${typeUrl}envoy.extensions.filters.http.router.v3.Router` },
                      },
                    ],
                  },
                },
              ],
            },
          ],
        },
      ],
      clusters: [
        cluster('slow', slowPort, { typed_extension_protocol_options: { 'outrigger.circuit_breaker': breaker } }),
        cluster('fast', fastPort),
      ],
    },
  });
}

const lines: string[] = [];
let sidecar: Sidecar;
let slow: Traffic;
let fast: Traffic;

beforeAll(async () => {
  const services = [new Service(), new Service()] as const;
  const [slowPort, fastPort] = [await services[0].listen(), await services[1].listen()];
  const parsed = await parseBootstrap(bootstrap(slowPort, fastPort), 'test.json', clock.wallMs());
  if (!parsed.ok) throw new Error(parsed.faults.join('\n'));
  sidecar = new Sidecar({
    bootstrap: parsed.bootstrap,
    probeAddress: null,
    drainTimeMs: 0,
    clock,
    random: () => 0,
    log: new Log(clock, 'info', false, (line) => lines.push(line.slice(13).trimEnd())),
    commandLine: {},
    onReady: () => {},
    onStopped: () => {},
  });
  await sidecar.start();
  const port = sidecar.listeners.boundPort('outbound')!;
  slow = new Traffic(services[0], port, '/slow');
  fast = new Traffic(services[1], port, '/fast');
});

afterAll(() => {
  for (const traffic of [slow, fast]) {
    traffic.close();
    traffic.service.close();
  }
  sidecar.quit();
});

const admin = (method: string, path: string): Promise<AdminAnswer> => ask(sidecar.adminPort, method, path);

interface Shown {
  readonly state: string;
  readonly total: {
    readonly calls: number;
    readonly failures: number;
    readonly slow: number;
    readonly refused: number;
  };
}

async function shown(): Promise<Shown> {
  const { body } = await admin('GET', '/circuit_breakers');
  return (JSON.parse(body) as { circuit_breakers: Shown[] }).circuit_breakers[0]!;
}

const state = (): string => sidecar.breakers.dump()[0]!.state;

/** Load on both paths, 50 requests/s each, until a condition holds; how long it took. */
async function load(until: () => boolean, atMostMs: number): Promise<number> {
  const fromMs = clock.ms;
  for (let step = 0; !until(); step++) {
    expect(clock.ms - fromMs).toBeLessThanOrEqual(atMostMs);
    if (step % 2 === 0) {
      await slow.send();
      await fast.send();
    }
    clock.ms += stepMs;
    sidecar.wheel.advance();
    await slow.answerDue();
    await fast.answerDue();
  }
  return clock.ms - fromMs;
}

function after(ms: number): () => boolean {
  const until = clock.ms + ms;
  return () => clock.ms >= until;
}

test('a service slows from 10 ms to 2 s: the breaker opens within a second, probes, opens for longer, and closes on recovery; all is counted, and other routes are as ever', async () => {
  await load(after(3_000), 3_000);
  expect(state()).toBe('closed');

  slow.service.latencyMs = slowMs;
  expect(await load(() => state() === 'open', 1_000)).toBeLessThanOrEqual(1_000);
  const arrived = slow.service.arrived;
  await load(after(990), 990);
  expect(slow.service.arrived).toBe(arrived);

  // Three probes, which are slow too: open again, twice as long.
  await load(() => state() === 'half-open', 100);
  await load(() => state() === 'open', 300);
  expect(slow.service.arrived).toBe(arrived + 3);
  slow.service.latencyMs = quickMs;
  await load(after(1_900), 1_900);
  expect(slow.service.arrived).toBe(arrived + 3);

  await load(() => state() === 'closed', 300);
  await load(after(2_000), 2_000);
  expect(state()).toBe('closed');
  // What still waits.
  clock.ms += slowMs;
  sidecar.wheel.advance();
  await slow.answerDue();
  await fast.answerDue();

  const refused = slow.answers.filter(({ flag }) => flag === 'CB');
  expect(refused.every(({ status, tookMs }) => status === 503 && tookMs === 0)).toBe(true);
  expect(slow.answers.length).toBe(slow.sent);
  expect(slow.answers.filter(({ status }) => status === 200).length).toBe(slow.service.arrived);
  const { total } = await shown();
  expect(total.refused).toBe(refused.length);
  expect(total.failures).toBe(0);
  // Those under way when it changed its state are counted nowhere else than here.
  expect(total.calls).toBeLessThanOrEqual(slow.service.arrived);
  expect(total.slow).toBeGreaterThan(10);

  expect(fast.answers.length).toBe(fast.sent);
  expect(fast.answers.filter(({ status, tookMs }) => status !== 200 || tookMs > 2 * quickMs)).toEqual([]);

  const told = lines.filter((line) => line.includes('circuit breaker'));
  expect(told.map((line) => line.replace(/^.*slow\): /, '').replace(/\d+ % of \d+/, 'N % of M'))).toEqual([
    'open for 1 s: N % of M calls took longer than 200 ms in 1 s (limit 50 %)',
    'half-open: it was open for 1 s',
    'open for 2 s: a probe took longer than 200 ms',
    'half-open: it was open for 2 s',
    'closed: 3 probes succeeded (3 wanted)',
  ]);
  const { body } = await admin('GET', '/stats/prometheus?filter=circuit_breaker_');
  expect(body).toContain('outrigger_circuit_breaker_state{scope="cluster",name="slow"} 0');
  expect(body).toContain('outrigger_circuit_breaker_transitions_total{scope="cluster",name="slow",to="open"} 2');
  expect(body).toContain(`outrigger_circuit_breaker_refused_total{scope="cluster",name="slow"} ${refused.length}`);
});

test('an operator holds it and releases it by the admin port: by POST, and by name', async () => {
  expect((await admin('GET', '/circuit_breakers/open?name=slow')).status).toBe(405);
  expect(await admin('POST', '/circuit_breakers/open')).toMatchObject({ status: 400 });
  expect(await admin('POST', '/circuit_breakers/open?name=none')).toMatchObject({
    status: 404,
    body: 'name: there is no circuit breaker "none"; GET /circuit_breakers lists them (# is written %23 in a query)\n',
  });
  expect(await admin('POST', '/circuit_breakers/open?name=slow')).toMatchObject({ status: 200 });
  await slow.send();
  expect(slow.answers.at(-1)).toMatchObject({ status: 503, flag: 'CB' });
  expect(await shown()).toMatchObject({ state: 'open', held_by_operator: true, rule: 'TrafficPolicy shop/slow' });
  expect((await admin('GET', '/clusters')).body).toContain(
    'slow::outrigger_circuit_breaker::open for 0 ms: held open by an operator\n',
  );
  const { body } = await admin('GET', '/clusters?format=json');
  expect((JSON.parse(body) as { cluster_statuses: unknown[] }).cluster_statuses[0]).toMatchObject({
    outrigger_circuit_breaker: { state: 'open', held_by_operator: true },
  });
  await admin('POST', '/circuit_breakers/release?name=slow');
  expect(await shown()).toMatchObject({ state: 'half_open', held_by_operator: false });
  await admin('POST', '/circuit_breakers/close?name=slow');
  expect(await shown()).toMatchObject({ state: 'closed', held_by_operator: true });
});
