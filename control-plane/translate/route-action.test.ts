import { create } from '@bufbuild/protobuf';
import { describe, expect, test } from 'vitest';
import { RouteSchema } from '../../proto/generated/envoy/config/route/v3/route_components_pb.js';
import type { RedirectFilter } from '../config-kind/resource.ts';
import type { Backend } from '../model/model.ts';
import { noBackendAction, redirectAction } from './route-action.ts';

describe('a redirect', () => {
  const port = (filter: Partial<RedirectFilter>): number => {
    const none: RedirectFilter = { scheme: '', hostname: '', port: 0, path: null, status: 302 };
    const { action } = create(RouteSchema, { action: redirectAction({ ...none, ...filter }, '') });
    return action.case === 'redirect' ? action.value.portRedirect : -1;
  };

  test('to a scheme without a port goes to the port that is well known for it (Gateway API)', () => {
    expect(port({ scheme: 'https' })).toBe(443);
    expect(port({ scheme: 'http', hostname: 'a.example' })).toBe(80);
    expect(port({ scheme: 'https', port: 8443 })).toBe(8443);
    expect(port({ hostname: 'a.example' })).toBe(0);
  });
});

test('the answer for backends that do not exist is cut: Envoy refuses a body above 4096 bytes, and with it the table', () => {
  const backend = (service: string): Backend => ({
    namespace: 'shop',
    service,
    port: 80,
    weight: 1,
    problem: `there is no Service shop/${service}`,
    requestHeaders: null,
    responseHeaders: null,
  });
  const body = (backends: readonly Backend[]): string => {
    const { action } = create(RouteSchema, { action: noBackendAction('shop/r#rule-1', backends, 500) });
    return action.case === 'directResponse' ? String(action.value.body?.specifier.value) : '';
  };
  expect(body([backend('a'), backend('a')])).toBe('shop/r#rule-1 has no backend: there is no Service shop/a');
  const long = body(Array.from({ length: 64 }, (_, i) => backend(`a-service-with-a-long-name-number-${i}`)));
  expect(Buffer.byteLength(long)).toBeLessThanOrEqual(1024);
  expect(long).toMatch(/number-0; .*; and \d+ more$/);
});
