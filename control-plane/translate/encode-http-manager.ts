/** The HTTP connection manager of proxies' listeners: limits and defaults, and the filters before the router. */
import { create, type DescMessage, type MessageShape } from '@bufbuild/protobuf';
import { type Filter, FilterSchema } from '../../proto/generated/envoy/config/listener/v3/listener_components_pb.js';
import { RouterSchema } from '../../proto/generated/envoy/extensions/filters/http/router/v3/router_pb.js';
import {
  type HttpConnectionManager,
  HttpConnectionManager_CodecType,
  HttpConnectionManager_ForwardClientCertDetails,
  HttpConnectionManager_PathWithEscapedSlashesAction,
  HttpConnectionManager_ServerHeaderTransformation,
  HttpConnectionManagerSchema,
  type HttpFilter,
  HttpFilterSchema,
} from '../../proto/generated/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { durationOf, fromAds } from './api-values.ts';
import { encodeAccessLogs } from './encode-access-log.ts';
import { encodeRequestMetrics } from './encode-request-metrics.ts';
import { encodeTracing } from './encode-tracing.ts';
import { packAny } from './encoded-resource.ts';
import type { ProxyNode } from './proxy-node.ts';
import type { Telling } from './proxy-telemetry.ts';

const connectionIdleTimeoutMs = 3_600_000;
const streamIdleTimeoutMs = 300_000;
const requestHeadersTimeoutMs = 10_000;
const maxRequestHeadersKb = 64;
const maxHeadersCount = 200;

export interface ManagerOptions {
  readonly proxy: Telling<Pick<ProxyNode, 'kind'>>;
  readonly statPrefix: string;
  readonly routeName: string;
  /** Before the router. */
  readonly filters: readonly HttpFilter[];
  /** Callers come with certificates: the application is told which. */
  readonly mtls: boolean;
  /** A policy compares paths: the path is brought into one form, which the application gets too. */
  readonly strictPaths: boolean;
}

export function proxyManager(options: ManagerOptions): HttpConnectionManager {
  const { proxy, statPrefix, routeName, filters, mtls, strictPaths } = options;
  const { telemetry } = proxy;
  const tracing = telemetry.tracing === null ? null : encodeTracing(telemetry.tracing, proxy.kind);
  const metrics =
    telemetry.metrics === null || proxy.kind !== 'outrigger' ? [] : [encodeRequestMetrics(telemetry.metrics)];
  return create(HttpConnectionManagerSchema, {
    statPrefix,
    codecType: HttpConnectionManager_CodecType.AUTO,
    routeSpecifier: { case: 'rds', value: { configSource: fromAds(), routeConfigName: routeName } },
    httpFilters: [...filters, ...metrics, router()],
    commonHttpProtocolOptions: { idleTimeout: durationOf(connectionIdleTimeoutMs), maxHeadersCount },
    httpProtocolOptions: { acceptHttp10: true },
    maxRequestHeadersKb,
    streamIdleTimeout: durationOf(streamIdleTimeoutMs),
    requestHeadersTimeout: durationOf(requestHeadersTimeoutMs),
    // A caller can name its request when it asks what became of it.
    alwaysSetRequestIdInResponse: true,
    accessLog: encodeAccessLogs(telemetry.accessLog, proxy.kind, 'http'),
    ...(tracing === null ? {} : { tracing }),
    // An application's own Server header stays as it is.
    serverHeaderTransformation: HttpConnectionManager_ServerHeaderTransformation.PASS_THROUGH,
    // Our sidecar lets every upgrade pass when none is named; Envoy only those that are. What comes behind one passes no filter, so where who calls or what for decides, h2c and the like must not.
    upgradeConfigs: proxy.kind === 'envoy' || mtls || filters.length > 0 ? [{ upgradeType: 'websocket' }] : [],
    // What a caller says of itself is taken off in any case.
    ...(mtls
      ? {
          forwardClientCertDetails: HttpConnectionManager_ForwardClientCertDetails.SANITIZE_SET,
          setCurrentClientCertDetails: { uri: true },
        }
      : {}),
    // One canonical form decides and is forwarded; what has none (%2F, %5C) is answered 400.
    ...(strictPaths
      ? {
          normalizePath: true,
          mergeSlashes: true,
          pathWithEscapedSlashesAction: HttpConnectionManager_PathWithEscapedSlashesAction.REJECT_REQUEST,
        }
      : {}),
  });
}

export function managerFilter(manager: HttpConnectionManager): Filter {
  return create(FilterSchema, {
    name: 'envoy.filters.network.http_connection_manager',
    configType: { case: 'typedConfig', value: packAny(HttpConnectionManagerSchema, manager) },
  });
}

export function httpFilter<Schema extends DescMessage>(
  name: string,
  schema: Schema,
  message: MessageShape<Schema>,
): HttpFilter {
  return create(HttpFilterSchema, { name, configType: { case: 'typedConfig', value: packAny(schema, message) } });
}

export function router(): HttpFilter {
  return httpFilter('envoy.filters.http.router', RouterSchema, create(RouterSchema));
}
