/**
 * CSDS: what every connected proxy has taken of its configuration, by resource. For `outrigger status` and `outrigger config`, and for any tool that speaks CSDS. Names and versions; the resources
 * themselves, but never secrets, only to who names proxies (node_matchers): those of a whole mesh are more than anybody wants in one answer. Who may ask here may get them by ADS too.
 */
import { create } from '@bufbuild/protobuf';
import { AnySchema } from '@bufbuild/protobuf/wkt';
import { type ServerDuplexStream, type ServerUnaryCall, type sendUnaryData, status } from '@grpc/grpc-js';
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
import { faultsKey } from './faults-key.ts';
import { nodeTest } from './node-matchers.ts';
import { type ServedResource, servedTypes, typeOrder } from './served-resource.ts';
import type { Subscription } from './subscription.ts';

export class CsdsService {
  readonly #proxies: () => Iterable<ConnectedProxy>;
  readonly #faultsOf: (proxy: ConnectedProxy) => readonly string[];

  /** `faultsOf`: faults on purpose that a proxy has, in words. */
  constructor(
    proxies: () => Iterable<ConnectedProxy>,
    faultsOf: (proxy: ConnectedProxy) => readonly string[] = () => [],
  ) {
    this.#proxies = proxies;
    this.#faultsOf = faultsOf;
  }

  readonly implementation = {
    fetchClientStatus: (
      call: ServerUnaryCall<ClientStatusRequest, ClientStatusResponse>,
      answer: sendUnaryData<ClientStatusResponse>,
    ): void => {
      const found = this.#status(call.request, callerOf(call));
      if ('config' in found) answer(null, found);
      else answer(found);
    },
    streamClientStatus: (stream: ServerDuplexStream<ClientStatusRequest, ClientStatusResponse>): void => {
      stream.on('data', (request: ClientStatusRequest) => {
        const found = this.#status(request, callerOf(stream));
        if ('config' in found) stream.write(found);
        else stream.emit('error', found);
      });
      stream.on('end', () => stream.end());
      stream.on('error', () => stream.end());
    },
  };

  /** Who comes by the TLS door sees the proxies of its own identity; the plain door, this machine's, shows all. */
  #status(
    { nodeMatchers, excludeResourceContents }: ClientStatusRequest,
    caller: Caller | null,
  ): ClientStatusResponse | ReturnType<typeof invalid> {
    const test = nodeTest(nodeMatchers);
    if ('faults' in test) return invalid(test.faults.join('; '));
    const visible = [...this.#proxies()].filter(
      ({ node, proxy }) =>
        test.matches(node.id) && (caller === null || (proxy.identity !== null && caller.speaksFor(proxy.identity))),
    );
    return create(ClientStatusResponseSchema, {
      config: visible.map((proxy) =>
        clientConfig(proxy, this.#faultsOf(proxy), nodeMatchers.length > 0 && !excludeResourceContents),
      ),
    });
  }
}

function invalid(details: string) {
  return { name: 'CsdsError', message: details, code: status.INVALID_ARGUMENT, details };
}

function clientConfig(proxy: ConnectedProxy, faults: readonly string[], contents: boolean): ClientConfig {
  const entries = servedTypes.flatMap((typeUrl) => {
    const subscription: Subscription | undefined = proxy.session.subscriptions.get(typeUrl);
    return subscription === undefined
      ? []
      : typeEntries(proxy, typeUrl, subscription, contents && typeUrl !== typeOrder.secret);
  });
  const { node } = proxy;
  const shown = faults.length === 0 ? node : { ...node, metadata: { ...node.metadata, [faultsKey]: [...faults] } };
  return create(ClientConfigSchema, { node: shown, genericXdsConfigs: entries, clientScope: proxy.variant });
}

/** An entry for each resource; of a type without any, one for the type itself, so that "there is nothing" is told from "nothing was sent yet". */
function typeEntries(proxy: ConnectedProxy, typeUrl: string, subscription: Subscription, contents: boolean) {
  const resources = proxy.session.resources(typeUrl);
  const { refused } = subscription;
  const waiting = subscription.awaiting !== '';
  const content = ({ name, version, bytes }: ServedResource): Uint8Array | undefined => {
    if (!contents) return undefined;
    if (bytes.length > 0) return bytes;
    // What it has from before this stream is known by its version alone.
    const current = resources?.get(name);
    return current?.version === version ? current.bytes : undefined;
  };
  const entry = (
    name: string,
    version: string,
    reason: string | undefined,
    newest: boolean,
    value: Uint8Array | undefined,
  ) =>
    create(ClientConfig_GenericXdsConfigSchema, {
      typeUrl,
      name,
      versionInfo: version,
      ...(value === undefined ? {} : { xdsConfig: create(AnySchema, { typeUrl, value }) }),
      configStatus: reason !== undefined ? ConfigStatus.ERROR : newest ? ConfigStatus.SYNCED : ConfigStatus.STALE,
      clientStatus:
        reason !== undefined
          ? ClientResourceStatus.NACKED
          : waiting
            ? ClientResourceStatus.REQUESTED
            : ClientResourceStatus.ACKED,
      ...(reason === undefined
        ? {}
        : { errorState: create(UpdateFailureStateSchema, { details: reason, versionInfo: version }) }),
    });
  // Which of the resources of a response a client refused, it does not say: all of them, until it takes them.
  const entries = [...subscription.sent.values()].map((resource) => {
    const { name, version } = resource;
    return entry(
      name,
      version,
      refused?.versions.get(name) === version ? (refused.reasons.get(name) ?? refused.details) : undefined,
      resources?.get(name)?.version === version && !waiting,
      content(resource),
    );
  });
  if (entries.length > 0) return entries;
  if (subscription.answered || waiting) return [entry('', '', refused?.details, !waiting, undefined)];
  return [
    create(ClientConfig_GenericXdsConfigSchema, {
      typeUrl,
      configStatus: ConfigStatus.NOT_SENT,
      clientStatus: ClientResourceStatus.REQUESTED,
    }),
  ];
}
