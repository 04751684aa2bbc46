/**
 * What a control plane tells of a small shop in trouble, in the shape of its admin port: made by hand, with names and figures as the demo has them. And of a mesh as large as one likes, and of one whose every name is an attack.
 * The dashboard's tests show these.
 */

export type Recorded = Record<string, unknown>;

const at = '2026-11-29T12:03:41.512Z';
const id = '5f0c2b9e-7a41-4d1c-9b57-0c8f5f6f7a01';
export const explainedId: string = id;

function service(name: string, protocol: string, endpoints = 1, healthyEndpoints = endpoints): unknown {
  return {
    ...{ namespace: 'shop', name, ports: [`80/${protocol}`], addresses: ['240.240.0.1'], addressSource: 'assigned' },
    ...{ endpoints, healthyEndpoints, labels: {} },
  };
}

function edge(source: string, destination: string, figures: Recorded = {}): Recorded {
  return {
    ...{
      source,
      destination,
      direction: 'outbound',
      requestsPerSecond: 20,
      failuresPerSecond: 0,
      p50Ms: 1.2,
      p90Ms: 2.1,
      p99Ms: 3.1,
    },
    ...{ securedShare: 1, flags: {}, classes: { '2xx': 200 }, breaker: '', active: 1 },
    ...figures,
  };
}

function policy(kind: string, name: string, holdsFor: string[], action: string, says: string[]): Recorded {
  return {
    namespace: 'shop',
    kind,
    name,
    holdsFor,
    action,
    rules: says.length,
    says,
    workloads: 1,
    refusedBy: [],
    warnings: [],
  };
}

function proxy(nodeId: string, name: string, now: number, refused: unknown[] = []): Recorded {
  const sync = ['secret', 'cluster', 'endpoints', 'listener', 'routes'].map((type) => ({
    ...{ type, state: type === 'listener' && refused.length > 0 ? 'refused' : 'synced', resources: 3, bytes: 4_096 },
    refused: type === 'listener' ? refused : [],
  }));
  return {
    ...{
      nodeId,
      cluster: `shop/${name}`,
      kind: 'outrigger',
      variant: 'delta',
      peer: '127.0.0.1:51000',
      version: '0.1.0',
    },
    ...{ identity: `spiffe://cluster.local/ns/shop/sa/${name}`, connectedAt: new Date(now - 3_600_000).toISOString() },
    certificate: {
      serial: '4f2a',
      validFrom: new Date(now - 3_600_000).toISOString(),
      validUntil: new Date(now + 23 * 3_600_000).toISOString(),
    },
    ...{ inbound: { mode: 'STRICT', reason: 'mTLS STRICT (the default)' }, interception: 'NONE', egress: '' },
    ...{ refusedPolicies: refused.length > 0 ? 'no such filter' : '', sync },
    footprint: { residentBytes: 61_865_984, cpuShare: 0.0312 },
  };
}

function breaker(proxyId: string, ofService: string, name: string): Recorded {
  return {
    ...{ proxy: proxyId, service: ofService, scope: 'cluster', name, destination: 'shop/payments' },
    ...{ rule: 'TrafficPolicy shop/payments', state: 'open', heldByOperator: false, sinceSeconds: 12.4 },
    ...{ why: '61 % of 240 calls failed in 10 s (limit 50 %)', nextProbeSeconds: 2.6 },
    ...{ calls: 240, failures: 146, slow: 0, refused: 120 },
  };
}

function record(fields: Recorded): Recorded {
  return {
    ...{ requestId: id, traceId: '4bf92f3577b34da6a3ce929d0e0e4736', nodeId: 'orders-1', listener: 'outbound' },
    ...{
      started: at,
      duration: '0.005200s',
      method: 'POST',
      authority: 'payments.shop',
      path: '/shop.Payments/Charge',
    },
    ...{ protocol: 'gRPC', source: 'shop/orders', destination: 'shop/payments', route: 'shop/payments#rule-0' },
    ...{ bytesReceived: '120', bytesSent: '87', kept: 'error' },
    ...fields,
  };
}

const failedHop = record({
  ...{
    service: 'shop/orders',
    direction: 'outbound',
    status: 503,
    grpcStatus: '14',
    flags: 'CB',
    rule: 'TrafficPolicy shop/payments',
  },
  details: 'circuit_breaker_open',
  phases: { routed: '0.000300s', done: '0.000900s' },
  attempts: [
    { cluster: 'outbound|80||payments.shop', started: '0.000400s', ended: '0.000820s', flag: 'CB', why: 'first' },
  ],
  passedOver: [{ host: '10.0.3.7:8080', why: 'ejected for 14 s (5 consecutive connect failures)' }],
  circumstances: ['the circuit breaker for payments.shop was open for 12.4 s'],
});

/** `now`: ms since 1970. */
export function shop(now: number): Recorded {
  const orders = { ...failedHop };
  const storefront = record({
    ...{
      nodeId: 'storefront-1',
      service: 'shop/storefront',
      direction: 'outbound',
      method: 'POST',
      path: '/orders/42',
    },
    ...{
      authority: 'orders.shop',
      protocol: 'HTTP/1.1',
      source: 'shop/storefront',
      destination: 'shop/orders',
      status: 503,
    },
    ...{ route: '', duration: '0.007900s', started: '2026-11-29T12:03:41.509Z', flags: '', details: 'via_upstream' },
    attempts: [
      {
        host: '10.0.2.4:8080',
        started: '0.000500s',
        sent: '0.000700s',
        firstByte: '0.007300s',
        ended: '0.007800s',
        status: 503,
        reused: true,
        why: 'first',
      },
    ],
  });
  const good = record({
    ...{
      requestId: '0d9a6d2e-1111-4d1c-9b57-000000000002',
      service: 'shop/orders',
      status: 200,
      grpcStatus: '0',
      flags: '',
      kept: 'sample',
    },
    ...{ direction: 'outbound', destination: 'shop/inventory', path: '/shop.Inventory/Reserve', duration: '0.000900s' },
  });
  const points = Array.from({ length: 180 }, (_, step) => ({
    at: new Date(now - (180 - step) * 5_000).toISOString(),
    requestsPerSecond: 20 + 4 * Math.sin(step / 9),
    failuresPerSecond: step > 140 ? 12 : 0,
    p50Ms: 1.2 + (step % 7) * 0.05,
    p99Ms: step > 140 ? 24 : 3.1 + (step % 11) * 0.2,
  }));
  return {
    'control-plane': {
      ...{
        startedAt: new Date(now - 7_200_000).toISOString(),
        now: new Date(now).toISOString(),
        listen: '127.0.0.1:15010',
      },
      ...{ listenTls: '127.0.0.1:15012', trustDomain: 'cluster.local', configuration: ['demo/config'] },
    },
    services: [
      service('storefront', 'http'),
      service('orders', 'http', 2),
      service('payments', 'grpc', 2, 1),
      service('inventory', 'grpc'),
    ],
    endpoints: [
      ['payments', '10.0.3.6:8080', 'v1', true],
      ['payments', '10.0.3.7:8080', 'v2', false],
      ['orders', '10.0.2.4:8080', 'v1', true],
    ].map(([name, address, version, healthy]) => ({
      ...{
        namespace: 'shop',
        service: `shop/${String(name)}`,
        port: 80,
        address,
        instanceId: `${String(name)}-${String(version)}`,
      },
      ...{ labels: { version }, zone: '', weight: 1, healthy, source: 'registry' },
    })),
    routes: [
      {
        ...{
          namespace: 'shop',
          kind: 'GRPCRoute',
          name: 'payments',
          service: 'shop/payments:80',
          rule: 'shop/payments#rule-0',
        },
        ...{ callers: '', matches: [], backends: ['payments-v1.shop:80 90', 'payments-v2.shop:80 10'] },
      },
    ],
    policies: [
      policy('PeerAuthentication', 'door', ['shop/storefront'], 'PERMISSIVE', []),
      policy('AuthorizationPolicy', 'charge-and-reserve', ['shop/payments', 'shop/inventory'], 'ALLOW', [
        'from shop/orders',
      ]),
      policy('TrafficPolicy', 'payments', ['Service shop/payments'], '', [
        'circuit breaker: open from 50 % of 20 calls in 10 s',
      ]),
      policy('FaultPolicy', 'slow-orders', ['shop/orders'], 'no end', ['delay 250ms for 10 %']),
    ],
    proxies: [
      proxy('storefront-1', 'storefront', now),
      proxy('orders-1', 'orders', now),
      proxy('payments-v1-1', 'payments', now),
      proxy('payments-v2-1', 'payments', now, [{ name: 'inbound', reason: 'http_filters[2]: no such filter' }]),
      proxy('inventory-1', 'inventory', now),
    ],
    faults: [],
    breakers: { breakers: [breaker('orders-1', 'shop/orders', 'outbound|80||payments.shop')], silent: [] },
    edges: {
      ...{ at, windowSeconds: 10, proxies: 5, silent: [] },
      edges: [
        edge('', 'shop/storefront', { securedShare: 0, p50Ms: 4.4, p99Ms: 31 }),
        edge('shop/storefront', 'shop/orders', {
          failuresPerSecond: 0.3,
          p50Ms: 3.2,
          classes: { '2xx': 197, '5xx': 3 },
        }),
        edge('shop/orders', 'shop/payments', {
          ...{ requestsPerSecond: 19.8, failuresPerSecond: 12, p50Ms: 0.9, p99Ms: 24, breaker: 'open' },
          ...{ flags: { CB: 120 }, classes: { '2xx': 78, '5xx': 120 } },
        }),
        edge('shop/orders', 'shop/inventory', { requestsPerSecond: 2, p50Ms: 0.7, p99Ms: 1.9 }),
      ],
    },
    'edges/history': { stepSeconds: 5, points },
    requests: { requests: [orders, storefront, good], silent: [] },
    [`requests/${id}`]: {
      requestId: id,
      hops: [
        { depth: 0, record: storefront },
        { depth: 1, record: orders },
      ],
      explanation: {
        summary: 'POST /orders/42 from storefront, 12:03:41.509, answered 503 in 7.9 ms',
        hops: [
          'storefront  sidecar out   orders.shop                            1 attempt',
          'orders      sidecar out   route shop/payments#rule-0 → payments:80   1 attempt',
          'payments    sidecar in    never reached',
        ],
        why: [
          'The circuit breaker for payments.shop was open (12.4 s, 61 % of 240 calls failed in 10 s; the limit is 50 %).',
          'The failures were connection refused by 10.0.3.7:8080 (v2), ejected 14 s ago; v1 takes the other calls.',
        ],
        next: ['outrigger tap --to payments --errors'],
      },
      silent: [],
    },
  };
}

/** Each service calls as many others. */
export function largeMesh(now: number, services: number, calls: number): Recorded {
  const names = Array.from({ length: services }, (_, at) => `service-${String(at).padStart(3, '0')}`);
  const steps = [1, 7, 31, 73, 97].slice(0, calls);
  return {
    ...shop(now),
    services: names.map((name) => service(name, 'http')),
    edges: {
      ...{ at, windowSeconds: 10, proxies: services, silent: [] },
      edges: names.flatMap((name, at) =>
        steps.map((step, which) =>
          edge(`shop/${name}`, `shop/${names[(at + step) % services]!}`, {
            requestsPerSecond: 5 + ((at * 7 + which) % 400),
            failuresPerSecond: at % 23 === 0 ? 30 : 0,
          }),
        ),
      ),
    },
  };
}

/** What would run if anything of it were taken for markup. */
export const attack = '<img src=x onerror="window.hurt=1"><script>window.hurt=1</script>';

/** Of a sidecar or control plane that somebody has taken over, or of a caller who chose his path. */
export function hostileMesh(now: number): Recorded {
  const evil = record({
    ...{
      service: `shop/${attack}`,
      source: attack,
      destination: 'javascript:window.hurt=1',
      direction: 'inbound',
      status: 500,
    },
    ...{
      path: `/${attack}`,
      method: attack,
      authority: attack,
      rule: attack,
      details: attack,
      flags: attack,
      route: attack,
    },
    ...{ requestHeaders: { 'x-evil': attack }, circumstances: [attack], passedOver: [{ host: attack, why: attack }] },
    attempts: [{ host: attack, why: attack, flag: attack, started: attack, ended: attack }],
  });
  const hurtful = {
    ...policy('FaultPolicy', attack, ['the mesh'], attack, [attack]),
    ...{ warnings: [attack], refusedBy: [attack] },
  };
  return {
    ...shop(now),
    services: [{ ...(service(attack, attack) as Recorded), addresses: [attack] }],
    edges: {
      at,
      windowSeconds: 10,
      proxies: 1,
      silent: [attack],
      edges: [edge(attack, `shop/${attack}`, { breaker: attack, flags: { [attack]: 1 } })],
    },
    policies: [hurtful],
    proxies: [proxy(attack, attack, now, [{ name: attack, reason: attack }])],
    breakers: {
      breakers: [{ ...breaker(attack, attack, attack), rule: attack, state: attack, why: attack }],
      silent: [attack],
    },
    faults: [{ text: attack, meanwhile: attack }],
    requests: { requests: [evil], silent: [attack] },
    [`requests/${id}`]: {
      requestId: id,
      hops: [{ depth: 0, record: evil }],
      explanation: { summary: attack, hops: [attack], why: [attack], next: [attack] },
      silent: [attack],
    },
  };
}
