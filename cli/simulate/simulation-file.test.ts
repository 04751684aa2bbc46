import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Simulation } from './simulation.ts';
import { readSimulation } from './simulation-file.ts';
import { simulationText, trafficPolicy } from './test/played.ts';

const nothing = (): string => {
  throw new Error('there is no such file');
};

function read(text: string, readFile: (path: string) => string = nothing): Simulation {
  const result = readSimulation('mesh/s.yaml', text, readFile);
  if ('faults' in result) throw new Error(JSON.stringify(result.faults, null, 1));
  return result.simulation;
}

function faultsOf(text: string, readFile: (path: string) => string = nothing): string[] {
  const result = readSimulation('s.yaml', text, readFile);
  if (!('faults' in result)) throw new Error('there is no fault');
  return result.faults.map(({ file, line, column, path, message }) => `${file}:${line}:${column} ${path}: ${message}`);
}

const plain = { services: [{ name: 'orders' }], load: [{ service: 'orders', rate: 10 }] };
const withPolicy = (...documents: object[]): string => simulationText(plain, ...documents);

describe('what would never happen', () => {
  const script = {
    duration: '1m',
    services: [
      {
        name: 'orders',
        endpoints: 2,
        failures: [
          { at: '60s', fail: '50%' },
          { at: '59s', endpoints: 3, dead: true },
          { at: '0s', endpoints: 2, dead: true },
        ],
      },
    ],
    load: [
      {
        service: 'orders',
        rate: [
          { at: '0s', rate: 1 },
          { at: '61s', rate: 2 },
        ],
      },
    ],
  };

  it('is a fault of the file, by line and field', () => {
    expect(faultsOf(simulationText(script))).toEqual([
      's.yaml:16:7 spec.services[0].failures[0].at: 60s is not before the end (spec.duration is 1m): it never begins',
      's.yaml:21:7 spec.services[0].failures[1].endpoints: 3 are more than the service has (2); leave it out for all of them',
      's.yaml:41:7 spec.load[0].rate[1].at: 61s is not before the end (spec.duration is 1m): it never begins',
    ]);
  });

  it('is a warning where --duration is what makes it so', () => {
    const text = simulationText({ ...plain, services: [{ name: 'orders', failures: [{ at: '50s', fail: '1%' }] }] });
    const at = (durationMs: number): string[] => {
      const result = readSimulation('s.yaml', text, nothing, { durationMs });
      if ('faults' in result) throw new Error('there is a fault');
      return result.warnings.map(({ line, path, message }) => `${line} ${path}: ${message}`);
    };
    expect(at(50_000)).toEqual([
      '14 spec.services[0].failures[0].at: 50s is not before the end (--duration is 50s): it never begins',
    ]);
    expect(at(51_000)).toEqual([]);
  });
});

describe('a file that describes a simulation', () => {
  it('has a default for everything but who there is and who calls', () => {
    const simulation = read(simulationText(plain));
    expect(simulation).toEqual({
      name: 'test',
      namespace: 'shop',
      seed: 1,
      durationMs: 60_000,
      intervalMs: 2500,
      roundTripMs: 1,
      services: [
        {
          name: 'orders',
          endpoints: 1,
          sidecars: 1,
          protocol: 'http',
          latency: { kind: 'fixed', ms: 10 },
          concurrency: Infinity,
          queue: 1000,
          cancelled: 'finish',
          calls: [],
          failures: [],
        },
      ],
      loads: [
        {
          service: 'orders',
          method: 'GET',
          path: '/',
          headers: {},
          from: 'client',
          sidecars: 1,
          arrivals: { kind: 'open', even: false, steps: [{ atMs: 0, perSecond: 10 }] },
        },
      ],
      variants: [{ name: '', resources: [] }],
    });
  });

  it('says how services work, fail and call, and how load comes', () => {
    const { services, loads } = read(`
apiVersion: outrigger.dev/v1
kind: Simulation
metadata: { name: test }
spec:
  services:
    - name: orders
      endpoints: 20
      latency: { p50: 5ms, p99: 40ms }
      concurrency: 8
      calls: [{ service: payments, path: /pay, method: POST, share: 50%, times: 2, optional: true }]
    - name: payments
      endpoints: 3
      latency: { from: 5ms, to: 20ms }
      failures:
        - { at: 30s, for: 1m, endpoints: 10%, fail: 50%, status: 500 }
        - { at: 0s, endpoints: 2, latency: x10 }
        - { at: 1s, latency: +200ms, capacity: 25% }
        - { at: 1s, latency: 2s, dead: true }
  load:
    - { service: orders, rate: [{ at: 0s, rate: 5 }, { at: 10s, rate: 0.5 }], even: true }
    - { service: payments, clients: 4, think: 100ms, from: batch }
`);
    expect(services[0]).toMatchObject({
      sidecars: 10,
      latency: { kind: 'percentiles', p50Ms: 5, p99Ms: 40 },
      calls: [{ service: 'payments', method: 'POST', path: '/pay', share: 0.5, times: 2, optional: true }],
    });
    expect(services[1]!.failures).toMatchObject([
      { atMs: 30_000, forMs: 60_000, endpoints: { kind: 'share', share: 0.1 }, failShare: 0.5, status: 500 },
      { forMs: Infinity, endpoints: { kind: 'count', count: 2 }, latency: { kind: 'times', factor: 10 } },
      { latency: { kind: 'plus', ms: 200 }, capacityShare: 0.25 },
      { latency: { kind: 'fixed', ms: 2000 }, dead: true },
    ]);
    expect(loads.map(({ from, arrivals }) => [from, arrivals])).toEqual([
      [
        'client',
        {
          kind: 'open',
          even: true,
          steps: [
            { atMs: 0, perSecond: 5 },
            { atMs: 10_000, perSecond: 0.5 },
          ],
        },
      ],
      ['batch', { kind: 'closed', clients: 4, thinkMs: 100 }],
    ]);
  });

  it('takes policies as further documents, of other files, and of variants, which replace those of the same name', () => {
    const [base, changed] = [1, 2].map((attempts) => trafficPolicy({ retries: { attempts } }, 'orders'));
    const fault = {
      apiVersion: 'outrigger.dev/v1',
      kind: 'FaultPolicy',
      metadata: { name: 'faults', namespace: 'shop' },
      spec: { targetRefs: [{ kind: 'Service', name: 'orders' }], faults: [{ abort: { httpStatus: 503, percent: 1 } }] },
    };
    const service = {
      apiVersion: 'outrigger.dev/v1',
      kind: 'Service',
      metadata: { name: 'orders', namespace: 'shop' },
      spec: { ports: [{ port: 80 }] },
    };
    const other = [fault, service].map((each) => JSON.stringify(each)).join('\n---\n');
    const spec = {
      ...plain,
      policies: ['more.yaml'],
      variants: [{ name: 'now' }, { name: 'then', documents: [changed] }],
    };
    const asked: string[] = [];
    const { variants } = read(simulationText(spec, base!), (path) => {
      asked.push(path);
      return other;
    });
    expect(asked).toEqual(['mesh/more.yaml']);
    const attempts = variants.map(({ resources }) =>
      resources.flatMap((each) => (each.kind === 'TrafficPolicy' ? [each.route.retries?.attempts] : [])),
    );
    expect(attempts).toEqual([[1], [2]]);
    expect(variants.map(({ resources }) => resources.map(({ kind }) => kind))).toEqual([
      ['TrafficPolicy', 'FaultPolicy'],
      ['FaultPolicy', 'TrafficPolicy'],
    ]);
  });

  it('is good where docs/simulate.md shows one', () => {
    const page = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'simulate.md'), 'utf8');
    const [, example] = /```yaml\n(.*?)```/s.exec(page)!;
    expect(read(example!, () => '').services.map(({ name }) => name)).toEqual(['orders', 'payments']);
  });

  it('gives way to a seed and a duration of the command line', () => {
    const result = readSimulation('s.yaml', simulationText(plain), nothing, { seed: 9, durationMs: 5000 });
    expect('simulation' in result && [result.simulation.seed, result.simulation.durationMs]).toEqual([9, 5000]);
  });
});

describe('faults of such a file', () => {
  it('have their line, column and field, all at once', () => {
    expect(
      faultsOf(`apiVersion: outrigger.dev/v1
kind: Simulation
metadata: { name: test }
spec:
  services:
    - name: orders
      latency: fast
      calls: [{ service: payment }]
      failures:
        - { at: 5s, status: 500 }
        - { at: 5s, fail: 50 }
    - name: orders
  load:
    - { service: orders, think: 5s }
    - { service: order, rate: -1 }
`),
    ).toEqual([
      's.yaml:7:7 spec.services[0].latency: "fast" is not a duration; write it as 2s or 2000ms',
      's.yaml:10:11 spec.services[0].failures[0]: does nothing; give fail, latency, capacity, dead or refuses',
      's.yaml:10:21 spec.services[0].failures[0].status: 500 needs fail, the share that it is for',
      's.yaml:11:21 spec.services[0].failures[1].fail: 50 is not a share: write it as 25%',
      's.yaml:14:7 spec.load[0]: needs rate or clients',
      's.yaml:14:26 spec.load[0].think: "5s" is for clients',
      's.yaml:15:25 spec.load[1].rate: -1 is not a rate: requests a second, from 0 to 1000000',
    ]);
  });

  it('name services that are not there, that are there twice, and those that call each other in a circle', () => {
    const spec = {
      services: [
        { name: 'a', calls: [{ service: 'b' }] },
        { name: 'b', calls: [{ service: 'c' }, { service: 'nobody' }] },
        { name: 'c', calls: [{ service: 'a' }] },
        { name: 'c' },
      ],
      load: [{ service: 'x', rate: 1 }],
    };
    const faults = faultsOf(simulationText(spec)).map((text) => text.slice(text.indexOf('spec')));
    expect(faults).toEqual(
      expect.arrayContaining([
        'spec.services[1].calls[1].service: "nobody" is no service of this simulation; there are a, b, c',
        'spec.services[3].name: "c" is there twice',
        'spec.load[0].service: "x" is no service of this simulation; there are a, b, c',
      ]),
    );
    const circle = {
      services: spec.services.slice(0, 3).map((each) => ({ ...each, calls: each.calls!.slice(0, 1) })),
      load: [{ service: 'a', rate: 1 }],
    };
    expect(faultsOf(simulationText(circle))[0]).toContain('call each other in a circle: a → b → c → a');
  });

  it('are told of what is no simulation, of a second one, and of what is no YAML', () => {
    expect(faultsOf('{}')).toEqual(expect.arrayContaining([expect.stringContaining('kind: is missing')]));
    expect(faultsOf('')[0]).toBe(
      's.yaml:0:0 : has no document of kind Simulation (apiVersion outrigger.dev/v1); docs/simulate.md shows one',
    );
    const text = simulationText(plain);
    expect(faultsOf(`${text}\n---\n${text}`)[0]).toContain('kind: is the second Simulation of this file');
    expect(faultsOf('a: [')[0]).toContain('is not YAML');
  });

  it("are the control plane's own for policies, wherever they stand", () => {
    const wrong = trafficPolicy({ retries: { attempt: 3 } }, 'orders');
    expect(faultsOf(withPolicy(wrong))[0]).toContain(
      'spec.retries.attempt: is not a field here; did you mean attempts?',
    );
    const inVariant = faultsOf(simulationText({ ...plain, variants: [{ name: 'a', documents: [wrong] }] }))[0];
    expect(inVariant).toContain('spec.variants[0].documents[0].spec.retries.attempt: is not a field here');
    const inFile = faultsOf(simulationText({ ...plain, policies: ['p.yaml'] }), () => JSON.stringify(wrong))[0];
    expect(inFile).toMatch(/^p\.yaml:1:\d+ spec\.retries\.attempt: is not a field here/);
    expect(faultsOf(simulationText({ ...plain, policies: ['gone.yaml'] }))[0]).toContain(
      'spec.policies[0]: cannot be read: there is no such file',
    );
  });

  it('name policies of another namespace, which would be for nobody', () => {
    const stray = {
      ...trafficPolicy({ retries: { attempts: 1 } }, 'orders'),
      metadata: { name: 'a', namespace: 'other' },
    };
    expect(faultsOf(withPolicy(stray))[0]).toContain('TrafficPolicy other/a is for nobody');
  });
});

describe('what is not simulated', () => {
  const outrigger = (kind: string, spec: object): object => ({
    apiVersion: 'outrigger.dev/v1',
    kind,
    metadata: { name: 'a', namespace: 'shop' },
    spec,
  });
  const targetRefs = [{ kind: 'Service', name: 'orders' }];

  it.each<readonly [string, object, string]>([
    ['the fleet as Services', outrigger('Service', { ports: [{ port: 80 }] }), 'kind: Service is not taken here'],
    [
      'mTLS',
      outrigger('PeerAuthentication', { mtls: { mode: 'STRICT' } }),
      'kind: PeerAuthentication is not simulated',
    ],
    ['who may call', outrigger('AuthorizationPolicy', { targetRefs }), 'kind: AuthorizationPolicy is not simulated'],
    [
      'checks by gRPC',
      trafficPolicy({ healthChecks: [{ grpc: {} }] }, 'orders'),
      'spec.healthChecks[0]: by grpc is not simulated yet',
    ],
    [
      'limits over all workloads',
      outrigger('RateLimitPolicy', { targetRefs, global: { limits: [{ limit: { requests: 1, unit: 'second' } }] } }),
      'spec.global: is not simulated: limits over all workloads are asked of a service by gRPC',
    ],
    [
      'inbound limits by caller',
      trafficPolicy({ inboundLimits: { perCaller: { maxRequests: 1 } } }, 'orders'),
      'spec.inboundLimits.perCaller: is not simulated: who calls is told by certificates',
    ],
    [
      'priorities by caller',
      trafficPolicy(
        { adaptiveConcurrency: {}, priorities: [{ match: { callers: ['shop/batch'] }, priority: 'sheddable' }] },
        'orders',
      ),
      'spec.priorities[0].match.callers: is not simulated: who calls is told by certificates',
    ],
    [
      'limits by caller',
      outrigger('RateLimitPolicy', {
        targetRefs,
        local: [{ by: { caller: true }, limit: { requests: 1, per: '1s' } }],
      }),
      'spec.local[0].by: is not simulated',
    ],
    [
      'faults for a limited time',
      outrigger('FaultPolicy', { targetRefs, for: '10m', faults: [{ abort: { httpStatus: 503, percent: 1 } }] }),
      'spec.for: is not simulated yet',
    ],
    [
      'slow bodies',
      outrigger('FaultPolicy', { targetRefs, faults: [{ responseRateLimit: { kibPerSecond: 64 } }] }),
      'spec.faults[0].responseRateLimit: is not simulated: answers have no bodies',
    ],
  ])('%s is refused by its name', (_, document, message) => {
    expect(faultsOf(withPolicy(document)).join('\n')).toContain(message);
  });
});
