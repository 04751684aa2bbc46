/** The document that describes a simulation: fleet, load, failures. Only its shape and bounds; policies are documents of their own kinds. */
import { z } from 'zod';
import { dnsLabel } from '../../control-plane/config-kind/dns-name.ts';
import { durationMs, durationWithin } from '../../control-plane/config-kind/duration.ts';
import { wholeWithin } from '../../control-plane/config-kind/number-within.ts';
import { mostEndpoints, mostServices } from './endpoint-address.ts';

/** All endpoints of a simulation. */
const mostEndpointsInAll = 100_000;

const shareError = 'is not a share: write it as 25%';
const share = written(/^(?:100|[0-9]{1,2}(?:\.[0-9]{1,3})?)%$/, shareError);

/** Text of a shape, where a number would be as likely: said in the same words for both. */
function written(shape: RegExp, error: string) {
  return z.custom<string>((value) => typeof value === 'string' && shape.test(value), { error });
}

const time = durationWithin('0s', '24h');
const short = durationWithin('0ms', '1h');

const latency = z.union(
  [
    short,
    z
      .strictObject({ p50: durationWithin('1ms', '1h'), p99: durationWithin('1ms', '1h') })
      .check(({ value, issues }) => {
        if (durationMs(value.p99) < durationMs(value.p50))
          issues.push({ code: 'custom', continue: true, input: value, path: ['p99'], message: 'is less than p50' });
      }),
    z.strictObject({ from: short, to: short }),
    z.strictObject({ mean: short }),
  ],
  { error: 'is not a latency; write 10ms, { p50: 10ms, p99: 80ms }, { from: 5ms, to: 20ms } or { mean: 10ms }' },
);

const header = z.record(
  z.string().regex(/^[a-z0-9-]{1,64}$/, { error: 'is not a name of a header in lower case' }),
  z.string().max(1024),
);

const request = {
  method: z
    .string()
    .regex(/^[A-Z]{1,16}$/, { error: 'is not a method; write it as GET' })
    .optional()
    .describe('Default: GET'),
  path: z
    .string()
    .regex(/^\/[\x21-\x7e]{0,1024}$/, { error: 'is not a path; it begins with /' })
    .optional()
    .describe('Default: /'),
  headers: header.optional(),
};

const call = z.strictObject({
  service: dnsLabel,
  ...request,
  share: share.optional().describe('Of the requests that need it. Default: 100%'),
  times: wholeWithin(1, 100).optional().describe('One after the other. Default: 1'),
  optional: z.boolean().optional().describe('Its failure does not fail the request. Default: false'),
});

const latencyChangeError = 'is not a change of latency; write it as x10, +200ms or 2s';

const failure = z
  .strictObject({
    at: time.describe('When it begins'),
    for: time.optional().describe('Default: to the end'),
    endpoints: z
      .union([share, wholeWithin(1, mostEndpoints)], {
        error: `is neither a share (10%) nor a number of endpoints from 1 to ${mostEndpoints}`,
      })
      .optional()
      .describe('Chosen at random. Default: all'),
    fail: share.optional().describe('Of the requests'),
    status: wholeWithin(400, 599).optional().describe('Of those. Default: 503'),
    latency: written(/^(?:x[0-9]{1,4}(?:\.[0-9]{1,3})?|\+?(?:[0-9]{1,5}(?:ms|s|m))+)$/, latencyChangeError).optional(),
    capacity: share.optional().describe('What is left of its concurrency'),
    dead: z.literal(true).optional().describe('Packets are dropped: nothing is answered'),
    refuses: z.literal(true).optional().describe('The process is gone: connections are cut, and refused'),
  })
  .check(({ value, issues }) => {
    const add = (path: string[], message: string): number =>
      issues.push({ code: 'custom', continue: true, input: value, path, message });
    if (!(['fail', 'latency', 'capacity', 'dead', 'refuses'] as const).some((field) => value[field] !== undefined))
      add([], 'does nothing; give fail, latency, capacity, dead or refuses');
    if (value.status !== undefined && value.fail === undefined) add(['status'], 'needs fail, the share that it is for');
  });

const service = z.strictObject({
  name: dnsLabel,
  endpoints: wholeWithin(1, mostEndpoints).optional().describe('Default: 1'),
  sidecars: wholeWithin(1, 1000)
    .optional()
    .describe('That stand for those of all its endpoints when they call others. Default: one each, ten at most'),
  protocol: z.enum(['http', 'http2']).optional().describe('Default: http'),
  latency: latency.optional().describe('Of its own work. Default: 10ms'),
  concurrency: wholeWithin(1, 1_000_000)
    .optional()
    .describe('Requests that one endpoint works on at a time. Default: any number'),
  queue: wholeWithin(0, 1_000_000).optional().describe('Requests that wait at one endpoint; then 503. Default: 1000'),
  cancelled: z
    .enum(['finish', 'stop'])
    .optional()
    .describe('What becomes of a request that its caller gave up. Default: finish'),
  calls: z.array(call).max(50, { error: 'has more than 50 entries' }).optional(),
  failures: z.array(failure).max(100, { error: 'has more than 100 entries' }).optional(),
});

const rate = z
  .number({ error: 'is not a rate: requests a second, from 0 to 1000000' })
  .min(0, { error: 'is not a rate: requests a second, from 0 to 1000000' })
  .max(1_000_000, { error: 'is not a rate: requests a second, from 0 to 1000000' });

const load = z
  .strictObject({
    service: dnsLabel,
    ...request,
    from: dnsLabel.optional().describe('Who calls. Default: client'),
    sidecars: wholeWithin(1, 1000).optional().describe('Over which the requests are spread. Default: 1'),
    rate: z
      .union(
        [
          rate,
          z
            .array(z.strictObject({ at: time, rate }))
            .min(1, { error: 'is empty' })
            .max(1000, { error: 'has more than 1000 entries' }),
        ],
        { error: 'is neither requests a second nor a list of { at: 30s, rate: 100 }' },
      )
      .optional()
      .describe('Requests a second that come whatever becomes of them'),
    even: z.boolean().optional().describe('In even steps, not at random (Poisson). Default: false'),
    clients: wholeWithin(1, 100_000).optional().describe('Clients with one request at a time each, instead of rate'),
    think: time.optional().describe('Between an answer and the next request of a client. Default: 0s'),
  })
  .check(({ value, issues }) => {
    const add = (path: PropertyKey[], message: string): number =>
      issues.push({ code: 'custom', continue: true, input: value, path, message });
    if ((value.rate === undefined) === (value.clients === undefined))
      add(
        [],
        value.rate === undefined
          ? 'needs rate or clients'
          : 'has both rate and clients; one of them says how much comes',
      );
    if (value.think !== undefined && value.clients === undefined) add(['think'], 'is for clients');
    if (value.even !== undefined && value.rate === undefined) add(['even'], 'is for rate');
    if (Array.isArray(value.rate))
      for (const [at, step] of value.rate.entries()) {
        const before = at === 0 ? null : durationMs(value.rate[at - 1]!.at);
        if (before === null ? durationMs(step.at) !== 0 : durationMs(step.at) <= before)
          add(['rate', at, 'at'], before === null ? 'of the first is 0s' : 'is not later than the one before');
      }
  });

const spec = z
  .strictObject({
    seed: wholeWithin(0, 2 ** 31 - 1)
      .optional()
      .describe('Another gives another run. Default: 1'),
    duration: durationWithin('1s', '24h').optional().describe('Of virtual time. Default: 60s'),
    interval: durationWithin('100ms', '24h')
      .optional()
      .describe('Between two rows of the table. Default: a 24th of duration'),
    roundTrip: durationWithin('0ms', '10s').optional().describe('On the network between two endpoints. Default: 1ms'),
    services: z
      .array(service)
      .min(1, { error: 'is empty; describe a service' })
      .max(mostServices, { error: `has more than ${mostServices} entries` }),
    load: z.array(load).min(1, { error: 'is empty; nobody would call' }).max(50, { error: 'has more than 50 entries' }),
    policies: z
      .array(z.string().min(1, { error: 'is empty' }))
      .max(100, { error: 'has more than 100 entries' })
      .optional()
      .describe('Files with more policies, from where this file is; Services in them are passed over'),
    variants: z
      .array(z.strictObject({ name: dnsLabel, documents: z.array(z.unknown()).max(100).optional() }))
      .min(1, { error: 'is empty; leave it out' })
      .max(6, { error: 'has more than 6 entries' })
      .optional()
      .describe('Side by side: each with these documents more, or in the place of those of the same kind and name'),
  })
  .check(({ value, issues }) => checkNames(value, issues));

function checkNames(value: z.output<typeof spec>, issues: z.core.$ZodRawIssue[]): void {
  const add = (path: PropertyKey[], message: string): number =>
    issues.push({ code: 'custom', continue: true, input: value, path, message });
  const names = new Set<string>();
  let endpoints = 0;
  for (const [at, { name, endpoints: count = 1 }] of value.services.entries()) {
    if (names.has(name)) add(['services', at, 'name'], 'is there twice');
    names.add(name);
    endpoints += count;
  }
  if (endpoints > mostEndpointsInAll)
    add(['services'], `has ${endpoints} endpoints; at most ${mostEndpointsInAll} are simulated`);
  const known = [...names].join(', ');
  for (const [at, { calls = [] }] of value.services.entries())
    for (const [which, { service: called }] of calls.entries())
      if (!names.has(called))
        add(['services', at, 'calls', which, 'service'], `is no service of this simulation; there are ${known}`);
  for (const [at, { service: called, from = 'client' }] of value.load.entries()) {
    if (!names.has(called)) add(['load', at, 'service'], `is no service of this simulation; there are ${known}`);
    if (names.has(from)) add(['load', at, 'from'], 'is a service; who calls from outside has another name');
  }
  const loop = callLoop(value.services);
  if (loop !== null) add(['services'], `call each other in a circle: ${loop.join(' → ')}; a request would have no end`);
  const variants = new Set<string>();
  for (const [at, { name }] of (value.variants ?? []).entries()) {
    if (variants.has(name)) add(['variants', at, 'name'], 'is there twice');
    variants.add(name);
  }
}

/** A way from a service back to itself; null: there is none. */
function callLoop(services: ReadonlyArray<z.output<typeof service>>): string[] | null {
  const calls = new Map(services.map(({ name, calls = [] }) => [name, calls.map((each) => each.service)]));
  const done = new Set<string>();
  const walk = (name: string, way: string[]): string[] | null => {
    if (way.includes(name)) return [...way.slice(way.indexOf(name)), name];
    if (done.has(name)) return null;
    for (const next of calls.get(name) ?? []) {
      const found = walk(next, [...way, name]);
      if (found !== null) return found;
    }
    done.add(name);
    return null;
  };
  for (const { name } of services) {
    const found = walk(name, []);
    if (found !== null) return found;
  }
  return null;
}

export const simulationSchema = z.strictObject({
  apiVersion: z.literal('outrigger.dev/v1'),
  kind: z.literal('Simulation'),
  metadata: z.strictObject({
    name: dnsLabel,
    namespace: dnsLabel.optional().describe('Of all services. Default: default'),
  }),
  spec,
});

export type SimulationDocument = z.output<typeof simulationSchema>;
