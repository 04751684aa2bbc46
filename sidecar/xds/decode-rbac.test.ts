import { describe, expect, it } from 'vitest';
import type { RbacConfig } from '../config/rbac-config.ts';
import { ListenerSchema } from './api/envoy/config/listener/v3/listener_pb.js';
import { decodeListener } from './decode-listener.ts';
import { decodeJson } from './test/decode-json.ts';

type Fields = Readonly<Record<string, unknown>>;

const extension = (name: string): Fields => ({ '@type': `type.googleapis.com/envoy.extensions.filters.${name}` });
const path = 'filter_chains[0].filters[0].typed_config';
const rulesPath = `${path}.http_filters[0].typed_config.rules`;

/** A listener whose filters are RBAC and the router. */
function decode(rbac: Fields, managerFields: Fields = {}) {
  const manager = {
    ...extension('network.http_connection_manager.v3.HttpConnectionManager'),
    stat_prefix: 'in',
    route_config: { name: 'r', virtual_hosts: [] },
    http_filters: [
      { name: 'who-may', typed_config: { ...extension('http.rbac.v3.RBAC'), ...rbac } },
      { name: 'router', typed_config: extension('http.router.v3.Router') },
    ],
    ...managerFields,
  };
  const json = {
    address: { socket_address: { address: '127.0.0.1', port_value: 15006 } },
    filter_chains: [{ filters: [{ name: 'http', typed_config: manager }] }],
  };
  const { value, faults } = decodeJson(ListenerSchema, JSON.parse(JSON.stringify(json)), decodeListener);
  const config = value?.filterChains[0]!.httpConnectionManager;
  return { config, gate: config?.gates[0] as RbacConfig | undefined, faults };
}

function policy(permission: unknown, principal: unknown = { any: true }, more: Fields = {}) {
  const { gate, faults } = decode({
    rules: { policies: { p: { permissions: [permission], principals: [principal], ...more } } },
  });
  return { policy: gate?.rules?.policies[0], faults };
}

const permissionPath = `${rulesPath}.policies["p"].permissions[0]`;
const principalPath = `${rulesPath}.policies["p"].principals[0]`;

describe('an RBAC filter', () => {
  it('has its rules, those that are only tried, and the names of its statistics', () => {
    const any = { permissions: [{ any: true }], principals: [{ any: true }] };
    const { gate, faults } = decode({
      rules: { action: 'DENY', policies: { any } },
      shadow_rules: { action: 'LOG' },
      shadow_rules_stat_prefix: 'dry_run_',
      rules_stat_prefix: 'x',
      track_per_rule_stats: true,
    });
    expect(faults).toEqual([]);
    expect(gate).toEqual({
      kind: 'rbac',
      name: 'who-may',
      rules: {
        action: 'deny',
        policies: [{ name: 'any', permissions: [{ kind: 'any' }], principals: [{ kind: 'any' }], condition: null }],
      },
      shadowRules: { action: 'log', policies: [] },
      rulesStatPrefix: 'x',
      shadowStatPrefix: 'dry_run_',
    });
  });

  it('asks its policies in the order of their names as bytes, whatever the names', () => {
    const any = { permissions: [{ any: true }], principals: [{ any: true }] };
    const policies = JSON.parse(
      `{"\u{1F600}": 0, "b": 0, "\\uffff": 0, "__proto__": 0, "B": 0, "constructor": 0, "a10": 0, "a9": 0}`,
      (key, value) => (key === '' ? value : any),
    ) as Fields;
    const { gate } = decode({ rules: { policies } });
    expect(gate!.rules!.policies.map(({ name }) => name)).toEqual([
      'B',
      '__proto__',
      'a10',
      'a9',
      'b',
      'constructor',
      '\uffff',
      '\u{1F600}',
    ]);
  });

  it('is refused as the last filter', () => {
    const { faults } = decode(
      {},
      { http_filters: [{ name: 'who-may', typed_config: extension('http.rbac.v3.RBAC') }] },
    );
    expect(faults).toEqual([`${path}.http_filters: needs envoy.filters.http.router as the last filter`]);
  });
});

describe('a permission', () => {
  it.each<[Fields, Fields]>([
    [{ any: true }, { kind: 'any' }],
    [{ not_rule: { any: true } }, { kind: 'not', rule: { kind: 'any' } }],
    [{ and_rules: { rules: [{ any: true }] } }, { kind: 'all-of', rules: [{ kind: 'any' }] }],
    [{ or_rules: { rules: [{ any: true }] } }, { kind: 'any-of', rules: [{ kind: 'any' }] }],
    [
      { header: { name: 'X-A', string_match: { exact: 'a' } } },
      { kind: 'header', header: { name: 'x-a', test: { kind: 'string' }, invert: false } },
    ],
    [{ url_path: { path: { prefix: '/a' } } }, { kind: 'path', match: { kind: 'prefix', value: '/a' } }],
    [
      { destination_ip: { address_prefix: '10.0.0.0', prefix_len: 8 } },
      { kind: 'address', of: 'destination', range: { address: '10.0.0.0', prefixBits: 8 } },
    ],
    [{ destination_port: 80 }, { kind: 'port', start: 80, end: 81 }],
    [{ destination_port_range: { start: 80, end: 90 } }, { kind: 'port', start: 80, end: 90 }],
    [{ requested_server_name: { exact: 'a' } }, { kind: 'server-name', match: { kind: 'exact', value: 'a' } }],
    [
      { metadata: { filter: 'f', path: [{ key: 'a' }, { key: 'b' }], value: { bool_match: true }, invert: true } },
      {
        kind: 'metadata',
        metadata: { filter: 'f', path: ['a', 'b'], value: { kind: 'boolean', value: true }, invert: true },
      },
    ],
  ])('%j', (permission, expected) => {
    const { policy: decoded, faults } = policy(permission);
    expect(faults).toEqual([]);
    expect(decoded!.permissions[0]).toMatchObject(expected);
  });

  it.each<[Fields, string]>([
    [{}, `${permissionPath}: needs a rule`],
    [{ any: false }, `${permissionPath}.any: can only be true`],
    [{ and_rules: {} }, `${permissionPath}.and_rules.rules: needs at least one rule`],
    [{ or_rules: { rules: [{}] } }, `${permissionPath}.or_rules.rules[0]: needs a rule`],
    [{ url_path: {} }, `${permissionPath}.url_path.path: is missing`],
    [{ header: { name: '' } }, `${permissionPath}.header.name: must not be empty`],
    [
      { header: { name: 'a', string_match: { safe_regex: { regex: '(' } } } },
      `${permissionPath}.header.string_match.safe_regex.regex: "("`,
    ],
    [
      { destination_ip: { address_prefix: 'x' } },
      `${permissionPath}.destination_ip.address_prefix: "x" is not an IP address`,
    ],
    [
      { destination_ip: { address_prefix: '10.0.0.0', prefix_len: 33 } },
      `${permissionPath}.destination_ip.prefix_len: 33 is not between 0 and 32`,
    ],
    [{ destination_port: 65536 }, `${permissionPath}.destination_port: 65536 is not a port`],
    [{ destination_port_range: { start: 5, end: 5 } }, `${permissionPath}.destination_port_range: from 5 to before 5`],
    [{ metadata: { filter: '', path: [], value: {} } }, `${permissionPath}.metadata.filter: must not be empty`],
    [{ uri_template: { name: 'x' } }, `${permissionPath}.uri_template: is not supported; see docs/xds-support.md`],
    [{ matcher: { name: 'x' } }, `${permissionPath}.matcher: is not supported; see docs/xds-support.md`],
  ])('%j is refused', (permission, fault) => {
    expect(policy(permission).faults[0]).toContain(fault);
  });
});

describe('a principal', () => {
  const range = { address_prefix: '10.0.0.0', prefix_len: 8 };

  it.each<[Fields, Fields]>([
    [{ not_id: { any: true } }, { kind: 'not' }],
    [{ and_ids: { ids: [{ any: true }] } }, { kind: 'all-of' }],
    [{ or_ids: { ids: [{ any: true }] } }, { kind: 'any-of' }],
    [{ authenticated: {} }, { kind: 'authenticated', match: null }],
    [
      { authenticated: { principal_name: { exact: 'spiffe://a' } } },
      { kind: 'authenticated', match: { kind: 'exact', value: 'spiffe://a' } },
    ],
    [{ source_ip: range }, { kind: 'address', of: 'peer' }],
    [{ direct_remote_ip: range }, { kind: 'address', of: 'peer' }],
    [{ remote_ip: range }, { kind: 'address', of: 'client' }],
    [{ header: { name: 'a' } }, { kind: 'header' }],
    [{ url_path: { path: { exact: '/' } } }, { kind: 'path' }],
    [
      {
        metadata: {
          filter: 'f',
          path: [{ key: 'a' }],
          value: { list_match: { one_of: { string_match: { exact: 'x' } } } },
        },
      },
      { kind: 'metadata', metadata: { value: { kind: 'list', oneOf: { kind: 'string' } } } },
    ],
    [
      {
        metadata: {
          filter: 'f',
          path: [{ key: 'a' }],
          value: {
            or_match: {
              value_matchers: [
                { null_match: {} },
                { double_match: { exact: 2 } },
                { double_match: { range: { start: 1, end: 2 } } },
              ],
            },
          },
        },
      },
      {
        kind: 'metadata',
        metadata: {
          value: {
            kind: 'any-of',
            values: [{ kind: 'null' }, { kind: 'number', exact: 2 }, { kind: 'number-range', start: 1, end: 2 }],
          },
        },
      },
    ],
  ])('%j', (principal, expected) => {
    const { policy: decoded, faults } = policy({ any: true }, principal);
    expect(faults).toEqual([]);
    expect(decoded!.principals[0]).toMatchObject(expected);
  });

  it.each<[Fields, string]>([
    [{}, `${principalPath}: needs an identifier`],
    [{ or_ids: {} }, `${principalPath}.or_ids.ids: needs at least one identifier`],
    [{ authenticated: { principal_name: {} } }, `${principalPath}.authenticated.principal_name: has no match pattern`],
    [{ filter_state: { key: 'x' } }, `${principalPath}.filter_state: is not supported; see docs/xds-support.md`],
  ])('%j is refused', (principal, fault) => {
    expect(policy({ any: true }, principal).faults[0]).toContain(fault);
  });
});

describe('a regular expression', () => {
  it('that comes to too many instructions is refused by its path, before it is compiled', () => {
    const regex = '[a-z]{1000}'.repeat(20);
    const { faults } = policy({ header: { name: 'x', string_match: { safe_regex: { regex } } } }, { any: true });
    expect(faults).toEqual([
      expect.stringMatching(/\.header\.string_match\.safe_regex\.regex: .*comes to \d+ instructions, above 10000/),
    ]);
  });
});

describe('a policy', () => {
  it('needs a permission and a principal', () => {
    expect(decode({ rules: { policies: { p: {} } } }).faults).toEqual([
      `${rulesPath}.policies["p"].permissions: needs at least one permission`,
      `${rulesPath}.policies["p"].principals: needs at least one principal`,
    ]);
  });

  it('may have a condition that can be evaluated here', () => {
    const path_ = { selectExpr: { operand: { identExpr: { name: 'request' } }, field: 'path' } };
    const condition = { callExpr: { function: '_==_', args: [path_, { constExpr: { stringValue: '/a' } }] } };
    const { policy: decoded, faults } = policy({ any: true }, { any: true }, { condition });
    expect(faults).toEqual([]);
    expect(decoded!.condition!.expression.length).toBeGreaterThan(10);
    const time = { selectExpr: { operand: { identExpr: { name: 'request' } }, field: 'time' } };
    expect(policy({ any: true }, { any: true }, { condition: time }).faults).toEqual([
      `${rulesPath}.policies["p"].condition: request.time is not an attribute that is supported`,
    ]);
  });

  it.each([
    ['rules', { rules: { audit_logging_options: {} } }, `${rulesPath}.audit_logging_options`],
    ['a matcher', { matcher: {} }, `${path}.http_filters[0].typed_config.matcher`],
    [
      'a checked condition',
      {
        rules: {
          policies: { p: { permissions: [{ any: true }], principals: [{ any: true }], checked_condition: {} } },
        },
      },
      `${rulesPath}.policies["p"].checked_condition`,
    ],
  ])('%s that is not supported is refused by its path', (_what, rbac, at) => {
    expect(decode(rbac).faults).toEqual([`${at}: is not supported; see docs/xds-support.md`]);
  });
});

describe('typed_per_filter_config', () => {
  const perRoute = (action: string): Fields => ({
    'who-may': { ...extension('http.rbac.v3.RBACPerRoute'), rbac: { rules: { action } } },
  });

  it('is taken of the route, or else its virtual host, or else the table', () => {
    const route = (prefix: string, fields: Fields = {}): Fields => ({
      match: { prefix },
      direct_response: { status: 200 },
      ...fields,
    });
    const { config, faults } = decode(
      {},
      {
        route_config: {
          typed_per_filter_config: perRoute('LOG'),
          virtual_hosts: [
            {
              name: 'a',
              domains: ['a'],
              typed_per_filter_config: perRoute('DENY'),
              routes: [
                route('/x', { typed_per_filter_config: perRoute('ALLOW') }),
                route('/y'),
                route('/z', { typed_per_filter_config: { 'who-may': extension('http.rbac.v3.RBACPerRoute') } }),
              ],
            },
            { name: 'b', domains: ['b'], routes: [route('/')] },
          ],
        },
      },
    );
    expect(faults).toEqual([]);
    const { routes } = config!;
    const found = (routes.kind === 'inline' ? routes.table.virtualHosts : []).flatMap((host) =>
      host.routes.map(({ gates }) => (gates!.get('who-may') as RbacConfig).rules?.action ?? 'nothing is judged'),
    );
    expect(found).toEqual(['allow', 'deny', 'nothing is judged', 'log']);
  });

  it('of another kind is refused', () => {
    const { faults } = decode(
      {},
      {
        route_config: { virtual_hosts: [], typed_per_filter_config: { x: extension('http.router.v3.Router') } },
      },
    );
    expect(faults[0]).toContain(`${path}.route_config.typed_per_filter_config["x"]`);
  });
});
