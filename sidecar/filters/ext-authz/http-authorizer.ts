/** Asks an authorization service over HTTP: it gets the request's head, and its status is the answer. 200: may pass; 5xx: it failed; all others are the denial itself. */
import type { ClusterLookup } from '../../cluster/upstream.ts';
import { HeaderFields } from '../../codec/header-fields.ts';
import { headerName } from '../../codec/header-name.ts';
import { RequestHead } from '../../codec/message-head.ts';
import type { ExtAuthzConfig, HttpAuthorizationConfig } from '../../config/ext-authz-config.ts';
import { type HttpAnswer, HttpCall } from '../../http-call/http-call.ts';
import type { StringMatcher } from '../../router/string-matcher.ts';
import type { Clock } from '../../runtime/clock.ts';
import { type Authorization, type Authorizer, type HeaderChange, isFraming, type Question } from './authorization.ts';
import { anyOf, ToldHeaders } from './told-headers.ts';

const mostBodyBytes = 64 * 1024;
const removedHeader = 'x-envoy-auth-headers-to-remove';
/** Of a denial these go to the caller whatever the list says (Envoy). */
const alwaysToClient: ReadonlySet<string> = new Set(['www-authenticate', 'location']);
const nothingToCancel = { cancel: () => undefined };

export class HttpAuthorizer implements Authorizer {
  readonly #service: HttpAuthorizationConfig;
  readonly #clusters: ClusterLookup;
  readonly #clock: Clock;
  readonly #told: ToldHeaders;
  readonly #isUpstream: StringMatcher;
  readonly #isAppended: StringMatcher;
  readonly #isForClient: StringMatcher;
  readonly #isForClientOnSuccess: StringMatcher;

  constructor(config: ExtAuthzConfig, service: HttpAuthorizationConfig, clusters: ClusterLookup, clock: Clock) {
    this.#service = service;
    this.#clusters = clusters;
    this.#clock = clock;
    this.#told = new ToldHeaders(config);
    this.#isUpstream = anyOf(service.upstreamHeaders);
    this.#isAppended = anyOf(service.upstreamHeadersToAppend);
    this.#isForClientOnSuccess = anyOf(service.clientHeadersOnSuccess);
    const isListed = service.clientHeaders === null ? () => true : anyOf(service.clientHeaders);
    this.#isForClient = (name) => alwaysToClient.has(name) || isListed(name);
  }

  ask(question: Question, done: (answer: Authorization) => void): { cancel(): void } {
    const { head } = question.request;
    const cluster = this.#clusters.cluster(this.#service.cluster);
    if (cluster === undefined || head.method === 'CONNECT') {
      const why = cluster === undefined ? 'there is no such cluster' : 'it cannot be asked about CONNECT over HTTP';
      done({ kind: 'error', why });
      return nothingToCancel;
    }
    const call = new HttpCall(cluster, this.#request(head), mostBodyBytes, this.#clock, {
      onAnswer: (answer) => done(this.#authorization(answer)),
      onFailed: ({ message }) => done({ kind: 'error', why: message.replace(/\.$/, '') }),
    });
    call.start();
    return call;
  }

  #request(head: RequestHead): RequestHead {
    const told = this.#told.asMap(head);
    const fields = new HeaderFields();
    fields.append(headerName('content-length'), '0');
    for (const [name, value] of Object.entries(told))
      if (!isFraming(name)) fields.append(headerName(name), Buffer.from(value, 'utf8').toString('latin1'));
    const { timeoutMs } = this.#service;
    if (timeoutMs > 0) fields.set(headerName('x-envoy-expected-rq-timeout-ms'), String(Math.ceil(timeoutMs)));
    for (const [name, value] of this.#service.headersToAdd) fields.set(headerName(name), value);
    const path = this.#service.pathPrefix + (head.path.startsWith('/') ? head.path : `/${head.path}`);
    return new RequestHead(head.method, 'http', head.authority, path, '1.1', fields);
  }

  #authorization({ head, body }: HttpAnswer): Authorization {
    const { status } = head;
    if (status >= 500 || status < 200) return { kind: 'error', why: `it answered ${status}` };
    if (status === 200) return this.#allowed(head.fields);
    return {
      kind: 'denied',
      status,
      fields: select(head.fields, 'append', this.#isForClient),
      // A denial stays one, however much is said about it.
      body: body ?? Buffer.alloc(0),
      metadata: null,
    };
  }

  #allowed(fields: HeaderFields): Authorization {
    const removed = fields
      .getAll(removedHeader)
      .flatMap((value) => value.split(','))
      .map((name) => name.trim().toLowerCase())
      .filter((name) => name !== '' && !isFraming(name));
    fields.delete(removedHeader);
    return {
      kind: 'ok',
      request: [...select(fields, 'overwrite', this.#isUpstream), ...select(fields, 'append', this.#isAppended)],
      removed,
      response: select(fields, 'append', this.#isForClientOnSuccess),
      query: { set: [], removed: [] },
      metadata: null,
    };
  }
}

function select(fields: HeaderFields, action: HeaderChange['action'], isWanted: StringMatcher): HeaderChange[] {
  return fields.names.flatMap((name, i) =>
    isWanted(name.lower) && !isFraming(name.lower) ? [{ name, value: fields.values[i]!, action }] : [],
  );
}
