import { describe, expect, test } from 'vitest';
import { compileLogExpression } from '../../sidecar/access-log/log-expression.ts';
import { celFault, logAttributes } from './cel-expression.ts';

describe('filters of access logs in CEL', () => {
  test.each([
    "response.code >= 500 || request.headers['x-log'] == 'yes'",
    "response.headers['x-cache'].startsWith('h') && has(response.trailers.x)",
    "response.flags_short in ['UF', 'UH'] && response.grpc_status != 0",
    "xds.route_name == 'r' && upstream.port == 80 && source.address.startsWith('10.')",
    'upstream.request_attempt_count > 1 || response.total_size > 1 ? false : connection.mtls',
  ])('%s is accepted, by a sidecar too', (text) => {
    expect(celFault(text, logAttributes)).toBeNull();
    expect(() => compileLogExpression(text)).not.toThrow();
  });

  test('every attribute that is accepted is one that a sidecar knows', () => {
    for (const [root, fields] of Object.entries(logAttributes))
      for (const field of fields) {
        const text = `has(${root}.${field})`;
        expect([text, celFault(text, logAttributes)]).toEqual([text, null]);
        expect(() => compileLogExpression(text), text).not.toThrow();
      }
  });

  test.each([
    ['response.cod == 200', 'names response.cod, which is not known; accepted: response.code, '],
    ['answer.code == 200', 'names answer, which is not known; accepted: request, response, source, '],
    ["response.code == '200'", 'compares a number with text: it would never match, or always'],
    ['request.duration > 1000', 'names request.duration, which proxies compare each in its own way; use minDuration'],
  ])('%s is refused', (text, fault) => {
    expect(celFault(text, logAttributes)).toContain(fault);
  });
});
