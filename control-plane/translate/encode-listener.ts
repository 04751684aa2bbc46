/** Listeners with the HTTP connection manager: `outbound`, `inbound` and one per address of an upstream for proxies, one API listener per name for proxyless gRPC. Routes always come by RDS. */
import { create } from '@bufbuild/protobuf';
import {
  type AccessLog,
  AccessLogSchema,
  ComparisonFilter_Op,
} from '../../proto/generated/envoy/config/accesslog/v3/accesslog_pb.js';
import { TrafficDirection } from '../../proto/generated/envoy/config/core/v3/base_pb.js';
import { ListenerSchema } from '../../proto/generated/envoy/config/listener/v3/listener_pb.js';
import { StderrAccessLogSchema } from '../../proto/generated/envoy/extensions/access_loggers/stream/v3/stream_pb.js';
import { RouterSchema } from '../../proto/generated/envoy/extensions/filters/http/router/v3/router_pb.js';
import {
  type HttpConnectionManager,
  HttpConnectionManager_CodecType,
  HttpConnectionManager_ServerHeaderTransformation,
  HttpConnectionManagerSchema,
  type HttpFilter,
  HttpFilterSchema,
} from '../../proto/generated/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { durationOf, fromAds, socketAddress } from './api-values.ts';
import { type EncodedResource, encodeResource, packAny } from './encoded-resource.ts';
import type { HostPort, ProxyNode, UpstreamAddress } from './proxy-node.ts';
import { inboundListenerName, inboundName, outboundName, upstreamName } from './resource-names.ts';

const connectionIdleTimeoutMs = 3_600_000;
const streamIdleTimeoutMs = 300_000;
const requestHeadersTimeoutMs = 10_000;
const maxRequestHeadersKb = 64;
const maxHeadersCount = 200;
const managerFilter = 'envoy.filters.network.http_connection_manager';
const routerFilter = 'envoy.filters.http.router';

export function encodeOutboundListener(proxy: ProxyNode): EncodedResource {
  return proxyListener(proxy, outboundName, proxy.outboundListen, TrafficDirection.OUTBOUND, outboundName);
}

export function encodeInboundListener(proxy: ProxyNode, appPort: number): EncodedResource {
  return proxyListener(proxy, inboundListenerName, proxy.inboundListen, TrafficDirection.INBOUND, inboundName(appPort));
}

/** An address of one service's port: whatever comes there goes to it, whatever its Host. */
export function encodeUpstreamListener(
  proxy: ProxyNode,
  { namespace, service, port, listen }: UpstreamAddress,
): EncodedResource {
  const name = upstreamName(namespace, service, port);
  return proxyListener(proxy, name, listen, TrafficDirection.OUTBOUND, name);
}

function proxyListener(
  proxy: ProxyNode,
  name: string,
  { host, port }: HostPort,
  direction: TrafficDirection,
  routeName: string,
): EncodedResource {
  const listener = create(ListenerSchema, {
    name,
    address: socketAddress(host, port),
    trafficDirection: direction,
    filterChains: [
      {
        name,
        filters: [
          {
            name: managerFilter,
            configType: {
              case: 'typedConfig',
              value: packAny(HttpConnectionManagerSchema, proxyManager(proxy, name, routeName)),
            },
          },
        ],
      },
    ],
  });
  return encodeResource(ListenerSchema, name, listener);
}

function proxyManager({ kind }: ProxyNode, statPrefix: string, routeName: string): HttpConnectionManager {
  return create(HttpConnectionManagerSchema, {
    statPrefix,
    codecType: HttpConnectionManager_CodecType.AUTO,
    routeSpecifier: { case: 'rds', value: { configSource: fromAds(), routeConfigName: routeName } },
    httpFilters: [router()],
    commonHttpProtocolOptions: { idleTimeout: durationOf(connectionIdleTimeoutMs), maxHeadersCount },
    httpProtocolOptions: { acceptHttp10: true },
    maxRequestHeadersKb,
    streamIdleTimeout: durationOf(streamIdleTimeoutMs),
    requestHeadersTimeout: durationOf(requestHeadersTimeoutMs),
    // A caller can name its request when it asks what became of it.
    alwaysSetRequestIdInResponse: true,
    accessLog: kind === 'outrigger' ? [errorLog()] : [],
    // An application's own Server header stays as it is.
    serverHeaderTransformation: HttpConnectionManager_ServerHeaderTransformation.PASS_THROUGH,
    // Our sidecar lets every upgrade pass when none is named; Envoy only those that are.
    upgradeConfigs: kind === 'envoy' ? [{ upgradeType: 'websocket' }] : [],
  });
}

/** One JSON line on stderr for every answer that went wrong: 500 and above, or with a response flag. Our own format; Envoy's default is another. */
function errorLog(): AccessLog {
  const runtimeKey = 'outrigger.access_log.errors';
  return create(AccessLogSchema, {
    name: 'envoy.access_loggers.stderr',
    configType: { case: 'typedConfig', value: packAny(StderrAccessLogSchema, create(StderrAccessLogSchema)) },
    filter: {
      filterSpecifier: {
        case: 'orFilter',
        value: {
          filters: [
            {
              filterSpecifier: {
                case: 'statusCodeFilter',
                value: { comparison: { op: ComparisonFilter_Op.GE, value: { defaultValue: 500, runtimeKey } } },
              },
            },
            { filterSpecifier: { case: 'responseFlagFilter', value: {} } },
          ],
        },
      },
    },
  });
}

/** Listener of proxyless gRPC: found by name, never bound. */
export function encodeApiListener(name: string, routeName: string): EncodedResource {
  const manager = create(HttpConnectionManagerSchema, {
    statPrefix: name,
    routeSpecifier: { case: 'rds', value: { configSource: fromAds(), routeConfigName: routeName } },
    httpFilters: [router()],
  });
  return encodeResource(
    ListenerSchema,
    name,
    create(ListenerSchema, { name, apiListener: { apiListener: packAny(HttpConnectionManagerSchema, manager) } }),
  );
}

function router(): HttpFilter {
  return create(HttpFilterSchema, {
    name: routerFilter,
    configType: { case: 'typedConfig', value: packAny(RouterSchema, create(RouterSchema)) },
  });
}
