/**
 * A service that can do so much and no more, asked for three times that by callers who do not wait (an open loop). Its sidecar has Envoy's adaptive concurrency filter; the same without it is shown
 * beside: there the queue of the service grows, and what is answered comes too late for anybody.
 */
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePorts } from '../peers/free-port.ts';
import { type Json, listener, routeConfiguration, staticBootstrap, staticCluster } from './envoy-resources.ts';
import { isGood, latencyMs, openLoop, type Sent } from './open-loop.ts';
import { Stage } from './programs.ts';

const workers = 10;
const workMs = 40;
/** 250 per second. */
const capacity = (workers * 1000) / workMs;
const seconds = 12;

/** Does `workers` requests at once, each in `workMs`; the others wait in line. */
class Service {
  readonly server: Server;
  readonly #waiting: ServerResponse[] = [];
  #busy = 0;

  constructor() {
    this.server = createServer((request, response) => {
      request.resume();
      this.#waiting.push(response);
      this.#next();
    });
  }

  #next(): void {
    while (this.#busy < workers && this.#waiting.length > 0) {
      const response = this.#waiting.shift()!;
      this.#busy++;
      setTimeout(() => {
        this.#busy--;
        response.end('done');
        this.#next();
      }, workMs);
    }
  }
}

describe('load at three times the capacity of a service', () => {
  const stage = new Stage();
  const service = new Service();
  let guarded = 0;
  let open = 0;

  beforeAll(async () => {
    await new Promise<void>((resolve) => service.server.listen(0, '127.0.0.1', resolve));
    const ports = (await freePorts(3)) as [number, number, number];
    const [adminPort, ...listeners] = ports;
    [guarded, open] = listeners;
    const routes = routeConfiguration('all', [{ match: { prefix: '/' }, route: { cluster: 'app', timeout: '0s' } }]);
    const router: Json = {
      name: 'envoy.filters.http.router',
      typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router' },
    };
    const filter: Json = {
      name: 'envoy.filters.http.adaptive_concurrency',
      typed_config: {
        '@type': 'type.googleapis.com/envoy.extensions.filters.http.adaptive_concurrency.v3.AdaptiveConcurrency',
        gradient_controller_config: {
          sample_aggregate_percentile: { value: 50 },
          concurrency_limit_params: { concurrency_update_interval: '0.1s' },
          min_rtt_calc_params: { interval: '60s', request_count: 50 },
        },
      },
    };
    await stage.sidecar(
      staticBootstrap({
        adminPort,
        listeners: [
          listener({ name: 'guarded', port: guarded, manager: { http_filters: [filter, router] } }, routes),
          listener({ name: 'open', port: open }, routes),
        ],
        clusters: [staticCluster({ name: 'app' }, [(service.server.address() as AddressInfo).port])],
      }),
    );
  }, 30_000);
  afterAll(async () => {
    service.server.close();
    service.server.closeAllConnections();
    await stage.stop();
  });

  const tell = (what: string, sent: readonly Sent[]): void => {
    const good = sent.filter(isGood);
    console.log(
      `${what}: ${sent.length} requests, ${good.length} done (${(good.length / seconds).toFixed(0)}/s of ${capacity}), p50 ${latencyMs(good, 0.5).toFixed(0)} ms, p99 ${latencyMs(good, 0.99).toFixed(0)} ms; the rest got ${[
        ...new Set(sent.filter((each) => !isGood(each)).map(({ status }) => status)),
      ].join(', ')}`,
    );
  };

  it('is answered for nine tenths of the capacity at least, and within three times of the latency at rest', async () => {
    const rest = await openLoop({ port: guarded, perSecond: 50, seconds: 4 });
    const restMs = latencyMs(rest.filter(isGood), 0.99);
    console.log(`at rest: p50 ${latencyMs(rest, 0.5).toFixed(0)} ms, p99 ${restMs.toFixed(0)} ms`);
    const sent = await openLoop({ port: guarded, perSecond: capacity * 3, seconds });
    tell('3 × capacity, adaptive concurrency', sent);
    const good = sent.filter(isGood);
    expect(good.length / seconds).toBeGreaterThanOrEqual(capacity * 0.9);
    expect(latencyMs(good, 0.99)).toBeLessThanOrEqual(restMs * 3);
    expect(sent.every(({ status }) => status === 200 || status === 503)).toBe(true);
  }, 60_000);

  it('without it waits for seconds', async () => {
    const sent = await openLoop({ port: open, perSecond: capacity * 3, seconds: 4 });
    tell('3 × capacity for 4 s, without', sent);
    expect(latencyMs(sent.filter(isGood), 0.5)).toBeGreaterThan(1_000);
  }, 60_000);
});
