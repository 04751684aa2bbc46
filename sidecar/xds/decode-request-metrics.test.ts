import { describe, expect, it } from 'vitest';
import type { HttpConnectionManagerConfig } from '../config/listener-config.ts';
import { HttpConnectionManagerSchema } from './api/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { connectionManager } from './decode-connection-manager.ts';
import { type Decoded, decodeJson } from './test/decode-json.ts';

const router = {
  name: 'envoy.filters.http.router',
  typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router' },
};
const filter = (more: object): object => ({
  name: 'outrigger.filters.http.request_metrics',
  typed_config: { '@type': 'type.googleapis.com/outrigger.observe.v1.RequestMetrics', ...more },
});

function decoded(...filters: object[]): Decoded<HttpConnectionManagerConfig> {
  return decodeJson(
    HttpConnectionManagerSchema,
    { stat_prefix: 'a', rds: { route_config_name: 'r', config_source: { ads: {} } }, http_filters: filters },
    connectionManager,
  );
}

function faults(...labels: object[]): readonly string[] {
  return decoded(filter({ labels }), router).faults.map((fault) =>
    String(fault).replace(/^.*?http_filters\[0\]\.typed_config\./, ''),
  );
}

describe('RequestMetrics among http_filters', () => {
  it('is the metrics of the connection manager, and no gate', () => {
    const { value, faults: found } = decoded(
      filter({
        labels: [
          { name: 'method', attribute: 'METHOD' },
          { name: 'tenant', header: { name: 'X-Tenant', values: ['a', 'b'] } },
        ],
        omitted_labels: ['flags', 'route'],
        omitted_metrics: ['outrigger_request_bytes_total'],
      }),
      router,
    );
    expect(found).toEqual([]);
    expect(value!.gates).toEqual([]);
    expect(value!.requestMetrics).toEqual({
      labels: [
        { name: 'method', from: { kind: 'attribute', attribute: 'method' } },
        { name: 'tenant', from: { kind: 'header', header: 'x-tenant', values: ['a', 'b'] } },
      ],
      omittedLabels: ['route', 'flags'],
      omittedMetrics: ['outrigger_request_bytes_total'],
    });
    expect(decoded(router).value!.requestMetrics).toBeNull();
  });

  it('is refused by path where it makes no metrics', () => {
    expect(decoded(filter({}), filter({}), router).faults.join()).toContain('stands there twice');
    expect(decoded(filter({})).faults.join()).toContain('needs envoy.filters.http.router as the last filter');
    const odd = decoded(filter({ omitted_labels: ['code'], omitted_metrics: ['x'] }), router).faults.join('\n');
    expect(odd).toContain('omitted_labels[0]');
    expect(odd).toContain('omitted_metrics[0]');
    const method = { attribute: 'METHOD' };
    expect(faults({ name: 'a-b', ...method }).join()).toContain('"a-b" is not the name of a label');
    expect(faults({ name: 'code', ...method }).join()).toContain('code is a label of these metrics already');
    expect(faults({ name: 'a', ...method }, { name: 'a', ...method }).join()).toContain('labels[1].name');
    expect(faults({ name: 'a' }).join()).toContain('needs attribute or header');
    expect(faults({ name: 'a', attribute: 'ATTRIBUTE_UNSPECIFIED' }).join()).toContain('must be METHOD');
    expect(faults({ name: 'a', header: { name: 'h' } }).join()).toContain('header.values');
    const many = Array.from({ length: 33 }, (_, i) => String(i));
    expect(faults({ name: 'a', header: { name: 'h', values: many } }).join()).toContain('32 is the limit');
    expect(faults({ name: 'a', header: { name: 'h', values: ['', 'b', 'b'] } })).toHaveLength(2);
    expect(faults(...Array.from({ length: 9 }, (_, i) => ({ name: `l${i}`, ...method }))).join()).toContain(
      '8 is the limit',
    );
  });
});
