/** A thousand and more RBAC policies as a mesh has them, for the scenario and for the micro benchmark: of each ten, some go by who calls, some by path, method, header or address. */

type Json = Readonly<Record<string, unknown>>;

/** The last of them, by name and so in order, allows what the benchmark asks for: a plain `GET /` by anybody. */
export function allowPolicies(count: number): Readonly<Record<string, Json>> {
  const policies: Record<string, Json> = {};
  for (let i = 0; i < count - 1; i++)
    policies[`shop/policy-${String(i).padStart(5, '0')}#rule-0`] = {
      permissions: [permission(i)],
      principals: [principal(i)],
    };
  policies['shop/policy-last#rule-0'] = {
    permissions: [{ and_rules: { rules: [{ url_path: { path: { exact: '/' } } }, method('GET')] } }],
    principals: [{ any: true }],
  };
  return policies;
}

function method(name: string): Json {
  return { header: { name: ':method', string_match: { exact: name } } };
}

function permission(i: number): Json {
  const path = { url_path: { path: i % 3 === 0 ? { exact: `/api/${i}/items` } : { prefix: `/api/${i}/` } } };
  const methods = { or_rules: { rules: ['GET', 'POST'].map(method) } };
  if (i % 10 === 7) return { header: { name: 'x-tenant', string_match: { exact: `tenant-${i}` } } };
  if (i % 10 === 8) return { and_rules: { rules: [methods, { not_rule: path }] } };
  return { and_rules: { rules: [path, methods] } };
}

function principal(i: number): Json {
  const account = `spiffe://cluster.local/ns/team-${i % 40}/sa/service-${i}`;
  // What goes by nothing but a negation has to name its caller: it could be looked up by nothing else.
  if (i % 10 === 8 || i % 2 === 0) return { authenticated: { principal_name: { exact: account } } };
  if (i % 5 === 0)
    return { authenticated: { principal_name: { prefix: `spiffe://cluster.local/ns/team-${i % 40}/` } } };
  if (i % 7 === 0) return { direct_remote_ip: { address_prefix: `10.${i % 256}.0.0`, prefix_len: 16 } };
  return { any: true };
}
