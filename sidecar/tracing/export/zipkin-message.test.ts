import { describe, expect, it } from 'vitest';
import type { Span } from '../span.ts';
import { span } from './test/spans.ts';
import { encodeZipkin, encodeZipkinSpan } from './zipkin-message.ts';

const encoded = (one: Span, serviceName: string): Buffer => encodeZipkin([encodeZipkinSpan(one, serviceName)]);
const read = (bytes: Buffer): unknown => JSON.parse(bytes.toString());

describe('spans as Zipkin JSON (zipkin2-api.yaml)', () => {
  it('have times in microseconds, tags as text, and what failed as tag error', () => {
    const bytes = encoded(
      span({
        parentSpanId: '00f067aa0ba902b7',
        kind: 'client',
        name: 'GET /a',
        attributes: [
          ['http.response.status_code', 503],
          ['network.peer.address', '10.0.3.7'],
          ['network.peer.port', 8080],
        ],
        events: [{ atWallMs: 1_790_000_000_001, name: 'connected', attributes: [] }],
        failed: true,
        statusMessage: 'UC',
      }),
      'Orders',
    );
    expect(read(bytes)).toEqual([
      {
        traceId: '0af7651916cd43dd8448eb211c80319c',
        id: 'b7ad6b7169203331',
        parentId: '00f067aa0ba902b7',
        name: 'get /a',
        kind: 'CLIENT',
        timestamp: 1_790_000_000_000_125,
        duration: 5375,
        localEndpoint: { serviceName: 'orders' },
        remoteEndpoint: { ipv4: '10.0.3.7', port: 8080 },
        annotations: [{ timestamp: 1_790_000_000_001_000, value: 'connected' }],
        tags: {
          'http.response.status_code': '503',
          'network.peer.address': '10.0.3.7',
          'network.peer.port': '8080',
          error: 'UC',
        },
      },
    ]);
  });

  it('without a parent, kind, or length have none, and last a microsecond', () => {
    const [said] = read(encoded(span({ kind: 'internal', startWallMs: 5, endWallMs: 5 }), 'orders')) as Array<
      Record<string, unknown>
    >;
    expect(said).not.toHaveProperty('parentId');
    expect(said).not.toHaveProperty('kind');
    expect(said).not.toHaveProperty('annotations');
    expect(said!['duration']).toBe(1);
  });
});
