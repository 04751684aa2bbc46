/** The inbound listener by the mode of PeerAuthentication: which connections are taken, and which of them lead to the application. */
import { create } from '@bufbuild/protobuf';
import { TrafficDirection } from '../../proto/generated/envoy/config/core/v3/base_pb.js';
import {
  type FilterChain,
  FilterChainSchema,
} from '../../proto/generated/envoy/config/listener/v3/listener_components_pb.js';
import { ListenerSchema } from '../../proto/generated/envoy/config/listener/v3/listener_pb.js';
import { RBAC_Action } from '../../proto/generated/envoy/config/rbac/v3/rbac_pb.js';
import { RBACSchema } from '../../proto/generated/envoy/extensions/filters/http/rbac/v3/rbac_pb.js';
import type { HttpFilter } from '../../proto/generated/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { socketAddress } from './api-values.ts';
import { httpFilter, managerFilter, proxyManager } from './encode-http-manager.ts';
import type { PolicyFilters } from './encode-policy-filters.ts';
import { downstreamSocket } from './encode-transport-security.ts';
import { type EncodedResource, encodeResource } from './encoded-resource.ts';
import { tlsInspector } from './listener-filters.ts';
import type { ProxyPolicies } from './proxy-policies.ts';
import type { Telling } from './proxy-telemetry.ts';
import { inboundListenerName, inboundName } from './resource-names.ts';

/** STRICT: plaintext callers get 403 and the reason. PERMISSIVE: both kinds get through. DISABLE: plaintext only, as for a proxy without an identity; where one is STRICT, nobody gets through. */
export function encodeInboundListener(
  proxy: Telling,
  appPort: number,
  { mode, modeReason }: Pick<ProxyPolicies, 'mode' | 'modeReason'>,
  policies: PolicyFilters,
): EncodedResource {
  const routeName = inboundName(appPort);
  const manager = (statPrefix: string, mtls: boolean, filters: readonly HttpFilter[]): FilterChain['filters'] => [
    managerFilter(proxyManager({ proxy, statPrefix, routeName, filters, mtls, strictPaths: policies.comparesPaths })),
  ];
  const plain = (name: string, statPrefix: string, filters: readonly HttpFilter[]): FilterChain =>
    create(FilterChainSchema, { name, filters: manager(statPrefix, false, filters) });
  const withTls = mode !== 'DISABLE' && proxy.identity !== null;
  const chains: FilterChain[] =
    mode === 'DISABLE'
      ? [plain(inboundListenerName, inboundListenerName, policies.filters)]
      : !withTls
        ? [plain('plaintext', `${inboundListenerName}_plaintext`, [refusal(modeReason)])]
        : [
            create(FilterChainSchema, {
              name: 'mtls',
              filterChainMatch: { transportProtocol: 'tls' },
              transportSocket: downstreamSocket(),
              filters: manager(inboundListenerName, true, policies.filters),
            }),
            {
              ...plain(
                'plaintext',
                `${inboundListenerName}_plaintext`,
                mode === 'STRICT' ? [refusal(modeReason)] : policies.filters,
              ),
              filterChainMatch: create(FilterChainSchema, { filterChainMatch: { transportProtocol: 'raw_buffer' } })
                .filterChainMatch!,
            },
          ];
  const { host, port } = proxy.inboundListen;
  const listener = create(ListenerSchema, {
    name: inboundListenerName,
    address: socketAddress(host, port),
    trafficDirection: TrafficDirection.INBOUND,
    listenerFilters: withTls ? [tlsInspector()] : [],
    filterChains: chains,
  });
  return encodeResource(ListenerSchema, inboundListenerName, listener);
}

/** Denies everything; the policy's name shows in the answer and the log. */
export function refusal(reason: string): HttpFilter {
  const any = { case: 'any' as const, value: true };
  return httpFilter(
    'outrigger.rbac.deny',
    RBACSchema,
    create(RBACSchema, {
      rules: {
        action: RBAC_Action.DENY,
        policies: { [reason]: { permissions: [{ rule: any }], principals: [{ identifier: any }] } },
      },
    }),
  );
}
