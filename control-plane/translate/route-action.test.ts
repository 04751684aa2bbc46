import { create } from '@bufbuild/protobuf';
import { describe, expect, test } from 'vitest';
import { RouteSchema } from '../../proto/generated/envoy/config/route/v3/route_components_pb.js';
import { routeSetters } from '../../sidecar/xds/decode-set-by.ts';
import type { RedirectFilter } from '../config-kind/resource.ts';
import type { Backend } from '../model/model.ts';
import { setByMetadata } from './encode-set-by.ts';
import { noBackendAction, problemsText, redirectAction } from './route-action.ts';

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

describe('why backends do not exist', () => {
  const backend = (problem: string): Backend => ({
    ...{ namespace: 'shop', service: 'a', port: 80, weight: 1, problem },
    ...{ requestHeaders: null, responseHeaders: null },
  });
  const body = (...problems: string[]): string => {
    const { action } = create(RouteSchema, {
      action: noBackendAction('shop/r#rule-1', problems.map(backend), 500),
    });
    return action.case === 'directResponse' ? String(action.value.body?.specifier.value) : '';
  };
  /** What our sidecar makes of it. */
  const taken = (...problems: string[]): string | undefined => {
    const why = problemsText('', problems.map(backend));
    const missing = { route: 'HTTPRoute shop/r', why, cluster: 'outbound|0||backend.invalid' };
    return routeSetters(setByMetadata(null, false, missing))?.missing;
  };
  const names = Array.from({ length: 64 }, (_, i) => `there is no Service shop/with-a-long-name-number-${i}`);

  test('is cut in an answer: Envoy refuses a body above 4096 bytes, and with it the table', () => {
    expect(body('there is no Service shop/a', 'there is no Service shop/a')).toBe(
      'shop/r#rule-1 has no backend: there is no Service shop/a',
    );
    const long = body(...names);
    expect(Buffer.byteLength(long)).toBeLessThanOrEqual(1024);
    expect(long).toMatch(/number-0; .*; and \d+ more$/);
  });

  test('arrives in a sidecar as it was sent, cut after as many as there is room for', () => {
    expect(taken('there is no Service shop/a')).toBe('there is no Service shop/a');
    expect(taken(...names)).toMatch(/^there is no Service shop\/with-a-long-name-number-0; .*; and \d+ more$/);
    const full = [...'ab'].map((letter) => letter.repeat(511));
    expect(taken(...full)).toBe(full.join('; '));
    expect(taken('x'.repeat(1024))).toBe('x'.repeat(1024));
  });

  test('arrives with a question mark for what is not printable ASCII', () => {
    expect(taken('Service shop/a has no port 80; it has 81 (h\u00f6r\nauf)')).toBe(
      'Service shop/a has no port 80; it has 81 (h?r?auf)',
    );
  });

  test('arrives cut where the first reason alone is too long', () => {
    expect(taken('x'.repeat(1025))).toBe(`${'x'.repeat(1021)}...`);
    expect(taken('x'.repeat(2_000), 'there is no Service shop/a')).toBe(`${'x'.repeat(1009)}...; and 1 more`);
    expect(body('\u00f6'.repeat(2_000))).toMatch(/^shop\/r#rule-1 has no backend: \?+\.\.\.$/);
  });
});
