/** CheckRequest and CheckResponse of `envoy.service.auth.v3.Authorization`: the only place of this filter that knows protobuf. Never throws for what a service answers. */
import { create, fromBinary, type JsonObject, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { headerName } from '../../codec/header-name.ts';
import type { RequestHead } from '../../codec/message-head.ts';
import type { ExtAuthzConfig } from '../../config/ext-authz-config.ts';
import type { DownstreamConnectionInfo } from '../../connection-manager/http-context.ts';
import {
  type HeaderValueOption,
  HeaderValueOption_HeaderAppendAction,
} from '../../xds/api/envoy/config/core/v3/base_pb.js';
import type { AttributeContext_PeerSchema } from '../../xds/api/envoy/service/auth/v3/attribute_context_pb.js';
import {
  CheckRequestSchema,
  type CheckResponse,
  CheckResponseSchema,
  type OkHttpResponse,
} from '../../xds/api/envoy/service/auth/v3/external_auth_pb.js';
import { isQueryText } from '../query-parameters.ts';
import type { Authorization, HeaderChange, Question } from './authorization.ts';
import { isFraming } from './authorization.ts';
import type { ToldHeaders } from './told-headers.ts';

/** More changes than this are no answer. */
const mostChanges = 200;

/** Null: what is known of the request cannot be written down as protobuf. */
export function encodeCheck(
  question: Question,
  config: ExtAuthzConfig,
  told: ToldHeaders,
  wallMs: number,
): Uint8Array | null {
  try {
    return encode(question, config, told, wallMs);
  } catch {
    return null;
  }
}

function encode(
  { request, contextExtensions }: Question,
  config: ExtAuthzConfig,
  told: ToldHeaders,
  wallMs: number,
): Uint8Array {
  const { head, connection, requestId, metadata } = request;
  const namespaces: Record<string, JsonObject> = {};
  for (const namespace of config.metadataNamespaces) {
    const value = metadata?.get(namespace);
    if (value !== undefined) namespaces[namespace] = value as JsonObject;
  }
  return toBinary(
    CheckRequestSchema,
    create(CheckRequestSchema, {
      attributes: {
        source: source(connection),
        destination: { address: address(connection.localAddress), principal: connection.localUri },
        request: {
          time: timestampFromMs(Math.round(wallMs)),
          http: {
            id: requestId,
            method: head.method,
            headers: told.asMap(head),
            path: head.path,
            host: head.authority,
            scheme: head.scheme,
            size: contentLength(head),
            protocol: head.version === '2' ? 'HTTP/2' : `HTTP/${head.version}`,
          },
        },
        contextExtensions: Object.fromEntries(contextExtensions),
        metadataContext: { filterMetadata: namespaces },
        ...(config.includeTlsSession ? { tlsSession: { sni: connection.serverName } } : {}),
      },
    }),
  );
}

function source({
  peer,
  peerService = '',
  remoteAddress,
}: DownstreamConnectionInfo): MessageInitShape<typeof AttributeContext_PeerSchema> {
  return {
    address: address(remoteAddress),
    // Envoy takes the caller's word for it (x-envoy-downstream-service-cluster).
    service: peerService,
    principal: peer === null ? '' : (peer.uris[0] ?? peer.dnsNames[0] ?? peer.subject),
  };
}

/** -1: unknown, as bodies are not looked at. */
function contentLength(head: RequestHead): bigint {
  const value = head.fields.get('content-length');
  return value !== undefined && /^\d{1,18}$/.test(value) ? BigInt(value) : -1n;
}

/** `10.0.0.1:80`, `[::1]:80`. */
function address(text: string): NonNullable<MessageInitShape<typeof AttributeContext_PeerSchema>['address']> {
  const at = text.lastIndexOf(':');
  const host = text.slice(0, at).replace(/^\[|\]$/g, '');
  return {
    address: {
      case: 'socketAddress',
      value: { address: host, portSpecifier: { case: 'portValue', value: Number(text.slice(at + 1)) || 0 } },
    },
  };
}

export function decodeCheck(bytes: Uint8Array): Authorization {
  let response: CheckResponse;
  try {
    response = fromBinary(CheckResponseSchema, bytes);
  } catch {
    return { kind: 'error', why: 'its answer is not a CheckResponse' };
  }
  try {
    return authorization(response);
  } catch (error) {
    if (error instanceof InvalidAnswer) return { kind: 'invalid', why: error.message };
    return { kind: 'error', why: 'its answer cannot be used' };
  }
}

class InvalidAnswer extends Error {}

function authorization(response: CheckResponse): Authorization {
  const { httpResponse } = response;
  const metadata =
    (httpResponse.case === 'okResponse' ? httpResponse.value.dynamicMetadata : undefined) ??
    response.dynamicMetadata ??
    null;
  if ((response.status?.code ?? 0) === 0) {
    // Without one, or with a denial beside an OK, nothing is to be done (Envoy).
    if (httpResponse.case !== 'okResponse') return { ...nothingToDo, metadata };
    return allowed(httpResponse.value, metadata);
  }
  if (httpResponse.case !== 'deniedResponse')
    return { kind: 'denied', status: 0, fields: [], body: Buffer.alloc(0), metadata };
  const { status, headers, body } = httpResponse.value;
  return {
    kind: 'denied',
    status: status?.code ?? 0,
    // What frames the denial is ours to write.
    fields: changes(headers, 'append').filter(({ name }) => !isFraming(name.lower)),
    body: Buffer.from(body),
    metadata,
  };
}

const nothingToDo = { kind: 'ok', request: [], removed: [], response: [], query: { set: [], removed: [] } } as const;

function allowed(ok: OkHttpResponse, metadata: unknown): Authorization {
  const count =
    ok.headers.length +
    ok.headersToRemove.length +
    ok.responseHeadersToAdd.length +
    ok.queryParametersToSet.length +
    ok.queryParametersToRemove.length;
  if (count > mostChanges) throw new InvalidAnswer(`it asks for ${count} changes, above ${mostChanges}`);
  const request = changes(ok.headers, 'overwrite');
  const response = changes(ok.responseHeadersToAdd, 'append');
  for (const { name } of [...request, ...response])
    if (isFraming(name.lower)) throw new InvalidAnswer(`it wants to set ${name.lower}, which is not its to set`);
  // As Envoy has it, they come encoded.
  for (const { key, value } of ok.queryParametersToSet)
    if (!isQueryText(key, 'name') || !isQueryText(value, 'value'))
      throw new InvalidAnswer(
        `the query parameter ${JSON.stringify(key.slice(0, 64))} has a character that must be percent-encoded there`,
      );
  return {
    kind: 'ok',
    request,
    removed: ok.headersToRemove.map((name) => name.toLowerCase()).filter((name) => !isFraming(name)),
    response,
    query: {
      set: ok.queryParametersToSet.map(({ key, value }) => [key, value] as const),
      removed: ok.queryParametersToRemove,
    },
    metadata,
  };
}

/** `usual`: what an option that says nothing means, which is not the same for requests and answers (Envoy). */
function changes(options: readonly HeaderValueOption[], usual: HeaderChange['action']): HeaderChange[] {
  return options.map((option) => {
    const name = option.header?.key ?? '';
    const value = Buffer.from(option.header?.value ?? '', 'utf8').toString('latin1');
    if (!/^:?[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name))
      throw new InvalidAnswer(`${JSON.stringify(name.slice(0, 64))} is not the name of a header`);
    if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(value))
      throw new InvalidAnswer(`the value of ${name} has a character that may not stand in a header`);
    return { name: headerName(name.toLowerCase()), value, action: action(option, usual) };
  });
}

function action(option: HeaderValueOption, usual: HeaderChange['action']): HeaderChange['action'] {
  // The older boolean, where it is set.
  if (option.append !== undefined) return option.append ? 'join' : 'overwrite';
  switch (option.appendAction) {
    case HeaderValueOption_HeaderAppendAction.APPEND_IF_EXISTS_OR_ADD:
      // Not to be told from unset.
      return usual;
    case HeaderValueOption_HeaderAppendAction.ADD_IF_ABSENT:
      return 'add-if-absent';
    case HeaderValueOption_HeaderAppendAction.OVERWRITE_IF_EXISTS:
      return 'overwrite-if-exists';
    case HeaderValueOption_HeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD:
      return 'overwrite';
    default:
      throw new InvalidAnswer(`${String(option.appendAction)} is not an append_action that is known`);
  }
}
