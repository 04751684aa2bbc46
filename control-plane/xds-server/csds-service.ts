/**
 * CSDS: what every connected proxy has taken of its configuration, by resource. For `outrigger status`, and for any tool that speaks CSDS. Names and versions only: no resource itself, so no secret either.
 */
import { create } from '@bufbuild/protobuf';
import { type ServerDuplexStream, type ServerUnaryCall, type sendUnaryData } from '@grpc/grpc-js';
import {
  ClientResourceStatus,
  UpdateFailureStateSchema,
} from '../../proto/generated/envoy/admin/v3/config_dump_shared_pb.js';
import {
  type ClientConfig,
  ClientConfig_GenericXdsConfigSchema,
  ClientConfigSchema,
  type ClientStatusRequest,
  type ClientStatusResponse,
  ClientStatusResponseSchema,
  ConfigStatus,
} from '../../proto/generated/envoy/service/status/v3/csds_pb.js';
import { type Caller, callerOf } from '../door/caller.ts';
import type { ConnectedProxy } from './connected-proxy.ts';
import { servedTypes } from './served-resource.ts';
import type { Subscription } from './subscription.ts';

export class CsdsService {
  readonly #proxies: () => Iterable<ConnectedProxy>;

  constructor(proxies: () => Iterable<ConnectedProxy>) {
    this.#proxies = proxies;
  }

  readonly implementation = {
    fetchClientStatus: (
      call: ServerUnaryCall<ClientStatusRequest, ClientStatusResponse>,
      answer: sendUnaryData<ClientStatusResponse>,
    ): void => answer(null, this.#status(callerOf(call))),
    streamClientStatus: (stream: ServerDuplexStream<ClientStatusRequest, ClientStatusResponse>): void => {
      stream.on('data', () => stream.write(this.#status(callerOf(stream))));
      stream.on('end', () => stream.end());
      stream.on('error', () => stream.end());
    },
  };

  /** Who comes by the TLS door sees the proxies of its own identity; the plain door, this machine's, shows all. */
  #status(caller: Caller | null): ClientStatusResponse {
    const visible = [...this.#proxies()].filter(
      ({ proxy }) => caller === null || (proxy.identity !== null && caller.speaksFor(proxy.identity)),
    );
    return create(ClientStatusResponseSchema, { config: visible.map(clientConfig) });
  }
}

function clientConfig(proxy: ConnectedProxy): ClientConfig {
  const entries = servedTypes.flatMap((typeUrl) => {
    const subscription: Subscription | undefined = proxy.session.subscriptions.get(typeUrl);
    return subscription === undefined ? [] : typeEntries(proxy, typeUrl, subscription);
  });
  return create(ClientConfigSchema, { node: proxy.node, genericXdsConfigs: entries, clientScope: proxy.variant });
}

function typeEntries(proxy: ConnectedProxy, typeUrl: string, subscription: Subscription) {
  const resources = proxy.session.resources(typeUrl);
  return [...subscription.sent.values()].map(({ name, version }) => {
    const refusedVersion = subscription.refused?.versions.get(name);
    const refused = refusedVersion === version;
    const newest = resources.get(name)?.version === version && subscription.awaiting === '';
    return create(ClientConfig_GenericXdsConfigSchema, {
      typeUrl,
      name,
      versionInfo: version,
      configStatus: refused ? ConfigStatus.ERROR : newest ? ConfigStatus.SYNCED : ConfigStatus.STALE,
      clientStatus: refused
        ? ClientResourceStatus.NACKED
        : subscription.awaiting === ''
          ? ClientResourceStatus.ACKED
          : ClientResourceStatus.REQUESTED,
      ...(refused
        ? {
            errorState: create(UpdateFailureStateSchema, {
              details: subscription.refused!.details,
              versionInfo: version,
            }),
          }
        : {}),
    });
  });
}
