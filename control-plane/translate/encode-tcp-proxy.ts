/** The filter that passes bytes on to a cluster, whatever they are. */
import { create } from '@bufbuild/protobuf';
import { type Filter, FilterSchema } from '../../proto/generated/envoy/config/listener/v3/listener_components_pb.js';
import { TcpProxySchema } from '../../proto/generated/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.js';
import { durationOf } from './api-values.ts';
import { encodeAccessLogs } from './encode-access-log.ts';
import { packAny } from './encoded-resource.ts';
import type { ProxyNode } from './proxy-node.ts';
import type { Telling } from './proxy-telemetry.ts';

/** Without a byte in either direction. Connections to databases rest long in their pools. */
const idleTimeoutMs = 3_600_000;

export function tcpProxy(
  { kind, telemetry }: Telling<Pick<ProxyNode, 'kind'>>,
  cluster: string,
  {
    statPrefix = cluster,
    connectAttempts = 1,
  }: { readonly statPrefix?: string; readonly connectAttempts?: number } = {},
): Filter {
  return create(FilterSchema, {
    name: 'envoy.filters.network.tcp_proxy',
    configType: {
      case: 'typedConfig',
      value: packAny(
        TcpProxySchema,
        create(TcpProxySchema, {
          statPrefix,
          clusterSpecifier: { case: 'cluster', value: cluster },
          idleTimeout: durationOf(idleTimeoutMs),
          ...(connectAttempts === 1 ? {} : { maxConnectAttempts: connectAttempts }),
          accessLog: encodeAccessLogs(telemetry.accessLog, kind, 'tcp'),
        }),
      ),
    },
  });
}
