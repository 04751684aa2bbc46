/** What gates found out about a request, as `%DYNAMIC_METADATA(…)%` asks for it; and what rules in force decided, which Envoy has there too and we keep beside it, so that a request costs no object. */
import type { LogRecord } from './log-record.ts';

const rbac = 'envoy.filters.http.rbac';

/** Undefined: there is nothing. */
export function metadataAt(record: LogRecord, namespace: string, keys: readonly string[]): unknown {
  if (namespace === rbac && keys.length === 1) {
    const { policy, flag } = record;
    switch (keys[0]) {
      case 'enforced_effective_policy_id':
        return policy === '' || policy === 'none' ? undefined : policy;
      case 'enforced_engine_result':
        return policy === '' ? undefined : flag === 'RBAC' ? 'denied' : 'allowed';
    }
  }
  let value: unknown = record.metadata?.get(namespace);
  for (const key of keys) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Readonly<Record<string, unknown>>)[key];
  }
  return value;
}
