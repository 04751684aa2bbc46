/** Envoy's ExtAuthz filter: an outside service says whether a request may pass, and may change its headers. When it does not answer, the configuration says what happens: closed by default. */
import { HeaderFields } from '../../codec/header-fields.ts';
import { headerName } from '../../codec/header-name.ts';
import { ProxyError } from '../../codec/proxy-error.ts';
import type { ExtAuthzConfig } from '../../config/ext-authz-config.ts';
import type { HttpContext } from '../../connection-manager/http-context.ts';
import type { TimerWheel } from '../../runtime/timer-wheel.ts';
import type { Counter } from '../../stats/stat-store.ts';
import { changedQuery } from '../query-parameters.ts';
import type { GateAnswer, GateRequest, GateVerdict, RequestGate } from '../request-gate.ts';
import { ServiceQuestion } from '../service-question.ts';
import { type Allowed, type Authorization, type Authorizer, changeFields, type Denied } from './authorization.ts';
import { GrpcAuthorizer } from './grpc-authorizer.ts';
import { HttpAuthorizer } from './http-authorizer.ts';

/** Where what the service says of a request is found. */
const metadataNamespace = 'envoy.filters.http.ext_authz';
const failureAllowed = headerName('x-envoy-auth-failure-mode-allowed');
/** Who answers, and when, is this proxy's to say. */
const ownFields = ['server', 'date'];
/** Of a gRPC answer these are what make it one. */
const ofGrpc = ['content-type', 'grpc-status', 'grpc-message'];
const noExtensions: ReadonlyMap<string, string> = new Map();

class ExtAuthzStats {
  readonly ok: Counter;
  readonly denied: Counter;
  readonly error: Counter;
  readonly timeout: Counter;
  readonly invalid: Counter;
  readonly disabled: Counter;
  readonly failureModeAllowed: Counter;

  constructor({ stats }: HttpContext, managerPrefix: string, ownPrefix: string) {
    const counter = (name: string): Counter =>
      stats.counter(`http.${managerPrefix}.ext_authz.${ownPrefix === '' ? '' : `${ownPrefix}.`}${name}`);
    this.ok = counter('ok');
    this.denied = counter('denied');
    this.error = counter('error');
    this.timeout = counter('timeout');
    this.invalid = counter('invalid');
    this.disabled = counter('disabled');
    this.failureModeAllowed = counter('failure_mode_allowed');
  }
}

export class ExtAuthzGate implements RequestGate {
  /** Names it in answers and logs too: our control plane gives the filter the name of its policy. */
  readonly name: string;
  readonly #config: ExtAuthzConfig;
  readonly #authorizer: Authorizer;
  readonly #stats: ExtAuthzStats;
  readonly #wheel: TimerWheel;

  constructor(config: ExtAuthzConfig, statPrefix: string, context: HttpContext) {
    const { service } = config;
    const { clusters, clock, wheel } = context;
    this.name = config.filterName;
    this.#config = config;
    this.#wheel = wheel;
    this.#stats = new ExtAuthzStats(context, statPrefix, config.statPrefix);
    this.#authorizer =
      service.kind === 'grpc'
        ? new GrpcAuthorizer(config, service, clusters, clock)
        : new HttpAuthorizer(config, service, clusters, clock);
  }

  check(request: GateRequest, decide: (verdict: GateVerdict) => void): GateAnswer {
    const { route } = request;
    // What goes nowhere is not worth asking about (Envoy).
    if (route === null) return null;
    const ofRoute = route.config.gates?.get(this.#config.filterName);
    const extAuthz = ofRoute?.kind === 'ext-authz' ? ofRoute : null;
    if (extAuthz?.disabled === true) {
      this.#stats.disabled.value++;
      return null;
    }
    // Only we say so.
    if (this.#config.failureModeAllowHeaderAdd) request.head.fields.delete(failureAllowed.lower);
    const contextExtensions = extAuthz?.contextExtensions ?? noExtensions;
    const question = new ServiceQuestion<Authorization | 'late'>({
      wheel: this.#wheel,
      verdict: (answer) => this.#verdict(request, answer),
      decide,
      timeoutMs: this.#config.service.timeoutMs,
      late: 'late',
    });
    return question.ask((answered) => this.#authorizer.ask({ request, contextExtensions }, answered));
  }

  /** `late`: the service took longer than it may. */
  #verdict(request: GateRequest, answer: Authorization | 'late'): GateVerdict {
    const config = this.#config;
    const stats = this.#stats;
    request.decidedBy = this.name;
    if (answer === 'late') {
      stats.timeout.value++;
      return this.#failed(request, `it did not answer within ${config.service.timeoutMs} ms`);
    }
    switch (answer.kind) {
      case 'ok':
        stats.ok.value++;
        this.#takeMetadata(request, answer.metadata);
        allow(request, answer);
        return null;
      case 'denied':
        stats.denied.value++;
        this.#takeMetadata(request, answer.metadata);
        return this.#denial(request, answer);
      case 'error':
        return this.#failed(request, answer.why);
      case 'invalid':
        stats.invalid.value++;
        return new ProxyError({
          flag: 'UAEX',
          source: 'local',
          details: 'ext_authz_invalid',
          message: `The authorization service ${config.service.cluster} cannot decide: ${oneLine(answer.why)}.`,
          rule: this.name,
          status: 500,
        });
    }
  }

  #failed(request: GateRequest, why: string): GateVerdict {
    const { failureModeAllow, failureModeAllowHeaderAdd, service, statusOnError } = this.#config;
    this.#stats.error.value++;
    if (failureModeAllow) {
      this.#stats.failureModeAllowed.value++;
      if (failureModeAllowHeaderAdd) request.head.fields.append(failureAllowed, 'true');
      return null;
    }
    return new ProxyError({
      flag: 'UAEX',
      source: 'local',
      details: 'ext_authz_error',
      message: `The authorization service ${service.cluster} could not be asked: ${oneLine(why)}.`,
      rule: this.name,
      status: statusOnError,
    });
  }

  #denial({ grpc }: GateRequest, denied: Denied): ProxyError {
    const fields = new HeaderFields();
    changeFields(fields, denied.fields);
    for (const name of grpc ? [...ownFields, ...ofGrpc] : ownFields) fields.delete(name);
    const usable = denied.status >= 200 && denied.status <= 599;
    // A gRPC caller would take a success for one.
    const status = !usable || (grpc && denied.status < 300) ? 403 : denied.status;
    return new ProxyError({
      flag: 'UAEX',
      source: 'local',
      details: 'ext_authz_denied',
      message: `The authorization service ${this.#config.service.cluster} denied the request.`,
      rule: this.name,
      status,
      reply: denied.body.length === 0 ? { fields } : { fields, body: denied.body },
    });
  }

  #takeMetadata(request: GateRequest, metadata: unknown): void {
    if (metadata === null || !this.#config.takesDynamicMetadata) return;
    (request.metadata ??= new Map()).set(metadataNamespace, metadata);
  }
}

function allow(request: GateRequest, answer: Allowed): void {
  const { head } = request;
  changeFields(head.fields, answer.request);
  for (const name of answer.removed) head.fields.delete(name);
  const { set, removed } = answer.query;
  if (set.length + removed.length > 0)
    head.path = changedQuery(head.path, new Set([...removed, ...set.map(([name]) => name)]), set);
  if (answer.response.length > 0) request.changeResponse((fields) => changeFields(fields, answer.response));
}

function oneLine(text: string): string {
  return text.replace(/[^\x20-\x7e]+/g, ' ').slice(0, 300);
}
