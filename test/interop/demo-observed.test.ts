/**
 * The demo as `npm start -- --otlp` runs it, watched by a real OpenTelemetry Collector and a real Prometheus; and every command that it prints to try is run as it stands there, every edit made. In a network namespace of its own, as its ports are fixed; its
 * configuration is a copy, as it is edited.
 */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { shop } from '../../demo/shop.ts';
import { waitFor } from '../peers/started-program.ts';
import { type CollectedSpan, OtelCollector } from './otel-collector.ts';
import { type HostProgram, OwnHost } from './own-host.ts';
import { outriggerProgram, peer } from './programs.ts';

const root = join(import.meta.dirname, '../..');
const server = 2;
const host = new OwnHost();
const config = join(host.folder, 'config');
let collector: OtelCollector;
let demo: HostProgram;

beforeAll(async () => {
  cpSync(join(root, 'demo/config'), config, { recursive: true });
  const collected = join(host.folder, 'collected');
  mkdirSync(collected);
  collector = await OtelCollector.start(collected, ['ip', 'netns', 'exec', host.name]);
  // What is mounted under `ip netns exec` is so for that program only.
  const start = `mount --bind "$1" "$2" && exec "$3" demo --otlp "127.0.0.1:$4"`;
  demo = host.start(
    ...['env', `TMPDIR=${host.folder}`, 'bash', '-c', start, 'demo'],
    ...[config, join(root, 'demo/config'), outriggerProgram, String(collector.grpcPort)],
  );
  await demo.said('Ctrl-C stops everything');
}, 90_000);

afterAll(async () => {
  demo?.child.kill('SIGINT');
  await demo?.ended;
  await collector?.stop();
  host.remove();
});

/** The line that it prints to try which begins so, without what it says of it. */
function printed(beginning: string): string {
  const tries = demo.output.split('Try, in another terminal:\n')[1]!.split('Ctrl-C stops')[0]!;
  const line = tries
    .replaceAll(/ \\\n\s+/g, ' ')
    .split('\n')
    .find((each) => each.startsWith(`  ${beginning}`));
  if (line === undefined) throw new Error(`${beginning} is not among what it prints:\n${tries}`);
  return line.trim().split(/ {3,}/)[0]!;
}

/** Of the repository's folder, as people would. */
function shell(command: string): HostProgram {
  return host.start('bash', '-c', `cd '${root}' && exec ${command}`);
}

async function tried(command: string): Promise<string> {
  const program = shell(command);
  const code = await program.ended;
  if (code !== 0) throw new Error(`${command} ended with ${code}:\n${program.output}`);
  return program.output;
}

async function buy(
  what: number | string,
): Promise<{ readonly status: number; readonly id: string; readonly text: string }> {
  const text = await tried(printed('curl -i http://127.0.0.1:8080/buy').replace('42', `${what}`).replace('-i', '-si'));
  return { status: Number(text.split(' ')[1]), id: /^x-request-id: (\S+)/im.exec(text)?.[1] ?? '', text };
}

/** Their addresses. */
async function instances(): Promise<ReadonlySet<string>> {
  return new Set((await tried(printed('bin/outrigger get endpoints'))).match(/127\.0\.0\.1:\d+/g));
}

function edit(file: string, from: string, to: string): void {
  const path = join(config, file);
  const text = readFileSync(path, 'utf8');
  expect(text).toContain(from);
  writeFileSync(path, text.replaceAll(from, to));
}

function attribute(span: CollectedSpan, name: string): unknown {
  const value = span.attributes?.find(({ key }) => key === name)?.value;
  return value === undefined ? undefined : Object.values(value)[0];
}

/** Of the trace that this request is in: each hop's server span below the one that called it. */
function hops(requestId: string): string[] {
  const all = collector.spans();
  const ids = new Set(
    all.filter((span) => attribute(span, 'guid:x-request-id') === requestId).map(({ traceId }) => traceId),
  );
  if (ids.size > 1) throw new Error(`${requestId} is in ${ids.size} traces`);
  const spans = all.filter(({ traceId }) => ids.has(traceId));
  const below = (parent: string, depth: number): string[] =>
    spans
      .filter(({ parentSpanId = '' }) => parentSpanId === parent)
      .toSorted((a, b) => a.name.localeCompare(b.name))
      .flatMap((span) =>
        span.kind === server
          ? [
              `${'  '.repeat(depth)}${span.service} ${String(attribute(span, 'outrigger.direction'))}`,
              ...below(span.spanId, depth + 1),
            ]
          : below(span.spanId, depth),
      );
  return below('', 0);
}

const purchase = [
  'storefront inbound',
  '  storefront outbound',
  '    orders inbound',
  '      orders outbound',
  '        payments inbound',
];
const reservation = ['      orders outbound', '        inventory inbound'];

describe('a purchase', () => {
  it('is one trace over all hops in the collector, inventory among them where it is asked', async () => {
    const { id, text } = await buy(42);
    expect(text).toContain('receipt');
    await waitFor('the trace', 15_000, () => hops(id).length === purchase.length);
    expect(hops(id)).toEqual(purchase);
    const reserved = await waitFor('a reservation', 30_000, async () => {
      const bought = await buy(43);
      return /"reserved":[1-9]/.test(bought.text) ? bought.id : null;
    });
    await waitFor('its trace', 15_000, () => hops(reserved).length === purchase.length + 2);
    expect(hops(reserved).toSorted()).toEqual([...purchase, ...reservation].toSorted());
  });

  it('is explained hop by hop, by the id in its answer', async () => {
    const { id } = await buy(42);
    await waitFor('the records', 10_000, async () => {
      const text = await tried(printed('bin/outrigger explain').replace('<x-request-id>', id));
      return ['storefront', 'orders', 'payments'].every((hop) => new RegExp(`^ +${hop} +sidecar in`, 'm').test(text));
    });
  });
});

describe('Prometheus, with the configuration that the demo wrote', () => {
  const port = 9090;
  interface Sample {
    readonly metric: Readonly<Record<string, string>>;
    readonly value: readonly [number, string];
  }

  beforeAll(() => {
    host.start(
      'bash',
      ...['-c', `exec ${printed('prometheus ').replace('prometheus', peer('prometheus'))}`, 'prometheus'],
    );
  });

  async function api<T>(path: string): Promise<T> {
    const answer = JSON.parse(await tried(`curl -s 'http://127.0.0.1:${port}/api/v1/${path}'`)) as {
      readonly status: string;
      readonly data: T;
    };
    expect(answer.status).toBe('success');
    return answer.data;
  }

  const query = async (expression: string): Promise<readonly Sample[]> =>
    (await api<{ readonly result: readonly Sample[] }>(`query?query=${encodeURIComponent(expression)}`)).result;

  it('has the requests of every sidecar, and quantiles of their duration', async () => {
    await waitFor('every target', 40_000, () =>
      query('up == 1').then(
        (up) => up.length === shop.length + 1,
        () => false,
      ),
    );
    const requests = await query('sum by (proxy) (outrigger_requests_total)');
    expect(requests.map(({ metric }) => metric['proxy']).toSorted()).toEqual(shop.map(({ name }) => name).toSorted());
    for (const { value } of requests) expect(Number(value[1])).toBeGreaterThan(0);
    const quantiles =
      'histogram_quantile(0.99, sum by (le, destination) (rate(outrigger_request_duration_seconds_bucket{direction="outbound"}[1m])))';
    const called = ['orders', 'payments-v1', 'payments-v2', 'inventory'].map((name) => `shop/${name}`);
    await waitFor('rates of every edge', 30_000, async () => {
      const result = await query(quantiles);
      const known = result.filter(({ value }) => Number(value[1]) > 0).map(({ metric }) => metric['destination']);
      return called.every((name) => known.includes(name));
    });
    expect(Number((await query('outrigger_xds_proxies{kind="outrigger"}'))[0]?.value[1] ?? 0)).toBe(shop.length);
  });

  it('evaluates our rules and alerts without a fault, and none fires', async () => {
    interface Rule {
      readonly name: string;
      readonly health: string;
      readonly state?: string;
    }
    const rules = await waitFor('the rules', 30_000, async () => {
      const { groups } = await api<{ readonly groups: ReadonlyArray<{ readonly rules: readonly Rule[] }> }>('rules');
      const all = groups.flatMap((group) => group.rules);
      return all.every(({ health }) => health !== 'unknown') ? all : null;
    });
    expect(rules.length).toBeGreaterThan(10);
    expect(rules.filter(({ health }) => health !== 'ok')).toEqual([]);
    expect(rules.filter(({ state }) => state === 'firing')).toEqual([]);
  });
});

describe('what it prints to try', () => {
  it('top shows routes with their rates', async () => {
    const top = printed('bin/outrigger top');
    await waitFor('orders in it', 15_000, async () => /shop\/storefront +shop\/orders/.test(await tried(top)));
    expect(await tried(`${top} --edges`)).toContain('shop/orders → shop/inventory');
  });

  it('tap shows requests to payments as they end', async () => {
    const tap = shell(printed('bin/outrigger tap'));
    await waitFor('a line', 15_000, () => /\/shop\.v1\.Payments\/Charge/.test(tap.output));
    tap.child.kill('SIGINT');
    await tap.ended;
    expect(tap.output).not.toContain('inventory');
  });

  it('status shows every sidecar with what it took', async () => {
    const text = await tried(printed('bin/outrigger status'));
    expect(text.match(/SYNCED/g)!.length).toBeGreaterThanOrEqual(shop.length);
    expect(text).not.toMatch(/NACKED/);
  });

  it('get endpoints shows where the instances are', async () => {
    expect((await instances()).size).toBe(shop.length);
  });

  it('dashboard gives an address with a token, and the page and its data are there', async () => {
    const address = (await tried(printed('bin/outrigger dashboard'))).trim();
    expect(address).toMatch(/^http:\/\/127\.0\.0\.1:15014\/#token=\S+$/);
    const [page, token] = address.split('#token=') as [string, string];
    expect(await tried(`curl -sL -H 'accept: text/html' '${page}'`)).toContain('<html');
    expect(await tried(`curl -s '${page}api/v1/edges'`)).toContain('"destination":"shop/orders"');
    const read = `curl -s -H 'authorization: Bearer ${token}' -H 'content-type: application/json'`;
    const { files } = JSON.parse(await tried(`curl -s '${page}api/v1/config/files'`)) as {
      readonly files: ReadonlyArray<{ readonly file: string }>;
    };
    const { file } = files.find((each) => each.file.endsWith('payments.yaml'))!;
    expect(await tried(`${read} -d '${JSON.stringify({ file })}' '${page}api/v1/config/read'`)).toContain('weight: 90');
  });

  it('orders itself refuses a caller without a certificate, and tells why', async () => {
    const command = printed('curl -i http://127.0.0.1:').replace('-i', '-si');
    const orders = /curl -i (http:\/\/127\.0\.0\.1:\d+\/orders\/1)/.exec(demo.output)![1]!;
    const answer = await tried(command.replace(/http:\S+/, orders));
    expect(answer).toMatch(/^HTTP\/1\.1 403/);
    expect(answer).toContain('mTLS STRICT');
  });

  it('identity show tells of the certificate of orders', async () => {
    const text = await tried(printed('bin/outrigger identity show'));
    expect(text).toContain('spiffe://cluster.local/ns/shop/sa/orders');
  });

  it('a policy that is no dry run any more denies purchase 13, by its name', async () => {
    expect((await buy(13)).status).toBe(200);
    edit('security.yaml', 'dryRun: true', 'dryRun: false');
    const denied = await waitFor('the denial', 15_000, async () => {
      const bought = await buy(13);
      return bought.status === 403 ? bought : null;
    });
    expect(denied.text).toContain('shop/no-order-13');
    expect((await buy(42)).status).toBe(200);
    const story = await tried(printed('bin/outrigger explain').replace('<x-request-id>', denied.id));
    expect(story).toContain('no-order-13');
    edit('security.yaml', 'dryRun: false', 'dryRun: true');
    await waitFor('no denial', 15_000, async () => (await buy(13)).status === 200);
  });

  it('other weights show in its table', async () => {
    const before = demo.output.length;
    edit('payments.yaml', 'weight: 90', 'weight: 50');
    edit('payments.yaml', 'weight: 10', 'weight: 50');
    const rate = (version: string): number =>
      Number(
        [...demo.output.slice(before).matchAll(new RegExp(`orders → payments-${version} +([\\d.]+)`, 'g'))].at(-1)?.[1],
      );
    await waitFor('half of them at each', 30_000, () => {
      const share = rate('v2') / (rate('v1') + rate('v2'));
      return share > 0.35 && share < 0.65;
    });
  });

  it('a broken file is refused with line and column, and the shop goes on', async () => {
    edit('payments.yaml', 'weight: 50', 'weight: many');
    await waitFor('the refusal', 15_000, () => /payments\.yaml:\d+:\d+/.test(demo.output));
    expect((await buy(42)).text).toContain('receipt');
    edit('payments.yaml', 'weight: many', 'weight: 50');
  });

  it('an instance that is started by run joins', async () => {
    const run = shell(printed('bin/outrigger run'));
    await waitFor('it', 20_000, async () => (await instances()).size === shop.length + 1);
    run.child.kill('SIGTERM');
    await run.ended;
    await waitFor('its leaving', 15_000, async () => (await instances()).size === shop.length);
  });

  it('when the sidecar of one of two payments v1 is killed no request fails, until the end', async () => {
    await tried(printed('kill '));
    await demo.said('the sidecar of payments v1 ended');
    for (let i = 0; i < 20; i++) expect((await buy(42)).status).toBe(200);
    demo.child.kill('SIGINT');
    expect(await demo.ended).toBe(0);
    expect(demo.output).toMatch(/\n\d+ purchases answered, 0 failed\n/);
  });
});
