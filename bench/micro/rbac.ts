/** CPU cost of the RBAC gate alone, by what its policies are about. Prints microseconds per request, and how long the policies take to compile. Run: node bench/micro/rbac.ts [seconds per set] */
import { fromJson, type JsonValue } from '@bufbuild/protobuf';
import { HeaderFields } from '../../sidecar/codec/header-fields.ts';
import { RequestHead } from '../../sidecar/codec/message-head.ts';
import type { RbacConfig } from '../../sidecar/config/rbac-config.ts';
import type { DownstreamConnectionInfo } from '../../sidecar/connection-manager/http-context.ts';
import { RbacGate } from '../../sidecar/filters/rbac/rbac-gate.ts';
import type { GateRequest } from '../../sidecar/filters/request-gate.ts';
import { systemClock } from '../../sidecar/runtime/clock.ts';
import { Log } from '../../sidecar/runtime/log.ts';
import { StatStore } from '../../sidecar/stats/stat-store.ts';
import { RBACSchema } from '../../sidecar/xds/api/envoy/extensions/filters/http/rbac/v3/rbac_pb.js';
import { rbac } from '../../sidecar/xds/decode-rbac.ts';
import { Faults } from '../../sidecar/xds/fault.ts';
import { allowPolicies } from '../rbac-rules.ts';

const seconds = Number(process.argv[2] ?? 1);
const count = 1000;
const connections = Array.from({ length: 64 }, (_, i) =>
  connection(`spiffe://cluster.local/ns/team-${i % 8}/sa/service-${i % 8}`, i),
);

function connection(uri: string, i: number): DownstreamConnectionInfo {
  return {
    listenerName: 'bench',
    direction: 'inbound',
    secure: true,
    alpn: '',
    serverName: '',
    peer: { uris: [uri], dnsNames: [], subject: '', sha256: '' },
    localUri: '',
    localAddress: '10.0.0.1:15006',
    remoteAddress: `10.1.0.${i}:4567`,
  };
}

function request(i: number): GateRequest {
  return {
    head: new RequestHead(
      'GET',
      'http',
      'orders.shop:8080',
      '/',
      '1.1',
      HeaderFields.of(
        ['host', 'orders.shop:8080'],
        ['user-agent', 'Mozilla/5.0 (X11; Linux x86_64)'],
        ['accept', 'application/json'],
        ['accept-encoding', 'gzip, deflate, br'],
        ['x-request-id', '5f0c0000-aaaa-4bbb-8ccc-dddddddddddd'],
        ['x-forwarded-proto', 'http'],
      ),
    ),
    connection: connections[i % connections.length]!,
    grpc: false,
    requestId: '5f0c0000-aaaa-4bbb-8ccc-dddddddddddd',
    route: null,
    startMs: 0,
    nowMs: 0,
    metadata: null,
    policy: '',
    dryRunDeniedBy: '',
    decidedBy: '',
    changeResponse: () => {},
    targetCluster: null,
    delayed: false,
    priority: 'default',
    decider: () => () => undefined,
    watchEnd: () => undefined,
    shapeResponse: () => undefined,
  };
}

function gate(rules: JsonValue): RbacGate {
  const faults = new Faults();
  const config: RbacConfig = rbac(fromJson(RBACSchema, { rules }), 'rbac', '', faults);
  if (faults.any) throw new Error(JSON.stringify(faults.list));
  const log = new Log(systemClock, 'off', false, () => {});
  const forwardedFor = { useRemoteAddress: false, xffTrustedHops: 0, skipXffAppend: false };
  const begun = performance.now();
  const made = new RbacGate(config, 'bench', forwardedFor, { stats: new StatStore(), clock: systemClock, log });
  const ms = performance.now() - begun;
  if (ms > 1) console.log(`${' '.repeat(4)}compiled in ${ms.toFixed(1)} ms`);
  return made;
}

function measure(name: string, rules: JsonValue): void {
  const judge = gate(rules);
  const requests = Array.from({ length: 1024 }, (_, i) => request(i));
  const round = (): void => {
    for (const each of requests) judge.check(each);
  };
  const first = performance.now();
  round();
  const firstMs = performance.now() - first;
  for (let i = 0; i < 50; i++) round();
  let rounds = 0;
  const begin = process.cpuUsage();
  const until = performance.now() + seconds * 1000;
  while (performance.now() < until) {
    round();
    rounds++;
  }
  const used = process.cpuUsage(begin);
  const each = (used.user + used.system) / (rounds * requests.length);
  console.log(
    `${name.padEnd(60)} ${each.toFixed(3)} µs per request (first ${requests.length}: ${firstMs.toFixed(1)} ms)`,
  );
}

type Rule = { readonly [key: string]: JsonValue };
const any: Rule = { any: true };
const many = (make: (i: number) => { permission: Rule; principal: Rule }): JsonValue =>
  Object.fromEntries(
    Array.from({ length: count }, (_, i) => {
      const { permission, principal } = make(i);
      return [`p${i}`, { permissions: [permission], principals: [principal] }];
    }),
  );
const uri = (i: number): Rule => ({
  authenticated: { principal_name: { exact: `spiffe://cluster.local/ns/team-${i % 40}/sa/service-${i}` } },
});

measure('one policy, anybody', { policies: { all: { permissions: [any], principals: [any] } } });
measure(`${count} policies, mixed; the last allows`, { policies: allowPolicies(count) as JsonValue });
measure(`${count} policies, mixed; DENY, none matches`, {
  action: 'DENY',
  policies: Object.fromEntries(Object.entries(allowPolicies(count + 1)).slice(0, count)) as JsonValue,
});
measure(`${count} callers, none of whom it is`, {
  action: 'DENY',
  policies: many((i) => ({ permission: any, principal: uri(i + 100) })),
});
measure(`${count} paths`, {
  action: 'DENY',
  policies: many((i) => ({ permission: { url_path: { path: { prefix: `/api/${i}/` } } }, principal: any })),
});
measure(`${count} values of a header`, {
  action: 'DENY',
  policies: many((i) => ({
    permission: { header: { name: 'x-tenant', string_match: { exact: `t${i}` } } },
    principal: any,
  })),
});
measure(`${count} address ranges`, {
  action: 'DENY',
  policies: many((i) => ({
    permission: any,
    principal: { direct_remote_ip: { address_prefix: `11.${i % 256}.0.0`, prefix_len: 16 } },
  })),
});
measure(`${count} suffixes of paths, which are all tried`, {
  action: 'DENY',
  policies: many((i) => ({ permission: { url_path: { path: { suffix: `/${i}` } } }, principal: any })),
});
