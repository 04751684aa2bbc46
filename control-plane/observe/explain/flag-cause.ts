/**
 * What each response flag means for one hop, in plain words with what its record knows, and what to look at next. A table: a flag that a sidecar can set and that has no line here fails a test
 * (cli/explain/flags-explained.test.ts).
 */
import { type Hop, type HopAttempt, shortName, timeText } from './hop.ts';

export interface Cause {
  /** Without a full stop. */
  readonly why: string;
  /** Commands, or places to look at. */
  readonly next: readonly string[];
}

type Explains = (hop: Hop) => Cause;

const circuitBreaker = 'outrigger breaker list --all';

const causes: Readonly<Record<string, Explains>> = {
  UH: (hop) => ({
    why:
      hop.record.passedOver.length > 0
        ? `no host of ${destination(hop)} could be asked: every one of them was passed over`
        : `no host of ${destination(hop)} is known, or none is healthy`,
    next: ['outrigger get endpoints', tapErrors(hop)],
  }),
  UF: (hop) => ({
    why: `no connection could be made to ${lastHost(hop)}${tlsHint(hop)}: nothing listens there, the network does not lead there, or TLS was refused; the request was seen by nobody`,
    next: ['outrigger get endpoints', `outrigger check`, tapErrors(hop)],
  }),
  UO: (hop) => ({
    why: hop.record.details.includes('overflow')
      ? `a limit of how much may be in flight to ${destination(hop)} was reached${byRule(hop)}, so this one was not sent`
      : `${where(hop)} had reached its limit of requests${byRule(hop)}${limitDetails(hop)}, so this one was refused`,
    next: [`outrigger edges --to ${shortName(hop.record.destination)}`, policyLook(hop)],
  }),
  UC: (hop) => ({
    why: `${lastHost(hop)} closed the connection ${beganToAnswer(hop) ? 'in the middle of its answer' : 'before it answered'}${lastAttempt(hop)?.reused === true ? ' (the connection had been used before: a keep-alive that the service ended at that moment looks like this too)' : ': the service crashed, restarted, or cut it off'}`,
    next: [`look into the log of ${shortName(hop.record.destination)}`, tapErrors(hop)],
  }),
  UR: (hop) => ({
    why: `${lastHost(hop)} reset the request's stream ${beganToAnswer(hop) ? 'in the middle of its answer' : 'before it answered'}: the connection is well, the service gave this one up`,
    next: [`look into the log of ${shortName(hop.record.destination)}`, tapErrors(hop)],
  }),
  UT: (hop) => ({
    why: hop.record.details.includes('per_try')
      ? `${lastHost(hop)} did not answer within the time of one try (${[lastTryText(hop), ...(setter(hop) === '' ? [] : [`set by ${setter(hop)}`])].join('; ')}), and no try was left`
      : `${destination(hop)} did not answer within ${timeText(hop.durationMs)}, which is ${timeGiven(hop)} for the whole request${ofRoute(hop)}${hop.attempts.length > 1 ? ` with all of its ${hop.attempts.length} tries` : ''}`,
    next: [`outrigger top --to ${shortName(hop.record.destination)}`, policyLook(hop)],
  }),
  URX: (hop) => ({
    why: `it was tried ${count(hop.attempts.length, 'time')}: ${triesText(hop)}`,
    next: [tapErrors(hop), policyLook(hop)],
  }),
  UPE: (hop) => ({
    why: `what ${lastHost(hop)} answered is not HTTP as it has to be${inDetails(hop)}, so it was not passed on`,
    next: ["curl -v the service's own port, past the mesh", ofSidecar(hop, 'logs level debug')],
  }),
  UMSDR: (hop) => ({
    why: `the stream lasted ${timeText(hop.durationMs)}, which is ${lastsBy(hop)}${ofRoute(hop)}, and was ended${waitingFor(hop)}`,
    next: [`outrigger top --to ${shortName(hop.record.destination)}`, policyLook(hop)],
  }),
  NR: (hop) => ({
    why: `no route takes ${hop.record.method} ${hop.record.authority}${pathOnly(hop)}: the name is of no service that this sidecar knows, or none of its routes matches`,
    next: ['outrigger get services', 'outrigger get routes'],
  }),
  NC: (hop) => ({
    why:
      namingRoute(hop) === ''
        ? `the route ${hop.record.route} leads to a cluster that does not exist${hop.record.cluster === '' ? '' : ` (${hop.record.cluster})`}: its backend is not there, or has not arrived yet`
        : `${namingRoute(hop)} leads to a backend that does not exist${ofRoute(hop)}`,
    next: ['outrigger get routes', 'outrigger status'],
  }),
  DC: (hop) => ({
    why: `the caller went away after ${timeText(hop.durationMs)}, before it had the whole answer${waitingFor(hop)}: its own timeout is shorter, or its user left`,
    next: [`outrigger top --to ${shortName(hop.record.destination)}`, "compare the caller's timeout with this time"],
  }),
  DPE: (hop) => ({
    why: `what the caller sent is not HTTP as it has to be${inDetails(hop)}, so it was refused`,
    next: ['look at what the caller sends', ofSidecar(hop, 'logs level debug')],
  }),
  DT: (hop) => ({
    why: `the request lasted ${timeText(hop.durationMs)}, longer than one may last here`,
    next: [policyLook(hop)],
  }),
  LR: (hop) => ({
    why: `this sidecar ended it itself${inDetails(hop)}: it was draining, its configuration changed under it, or its answer was over before the request was`,
    next: ['outrigger get proxies', ofSidecar(hop, 'logs level debug')],
  }),
  LH: (hop) => ({
    why: `the health check of ${where(hop)} said that it is not well`,
    next: ['outrigger get endpoints'],
  }),
  SI: (hop) => ({
    why: `nothing was sent in either direction for as long as a stream may rest${setter(hop) === '' ? '' : ` by ${setter(hop)}`}${waitingFor(hop)}, so it was ended`,
    next: [policyLook(hop), `look into the log of ${shortName(hop.record.destination)}`],
  }),
  IH: (hop) => ({
    why: `a header field of the request is not valid${inDetails(hop)}`,
    next: ['look at what the caller sends'],
  }),
  OM: (hop) => ({
    why: 'this sidecar was short of memory or connections and sheds load',
    next: ['outrigger get proxies', ofSidecar(hop, 'stats --filter "overload|server.memory"')],
  }),
  DO: () => ({
    why: 'it was dropped on purpose, as the control plane told to shed load',
    next: ['outrigger get policies'],
  }),
  CB: (hop) => ({
    why: `the circuit breaker for ${destination(hop)} was open${byRule(hop)}: ${
      heldByOperator(hop)
        ? 'an operator holds it open'
        : 'so many calls had failed before this one that no more are sent for a while'
    }`,
    next: [tapErrors(hop), circuitBreaker, policyLook(hop)],
  }),
  FB: (hop) => ({
    why: `it could not be answered as asked, so its fallback answered instead${byRule(hop)}${inDetails(hop)}`,
    next: [policyLook(hop), tapErrors(hop)],
  }),
  DI: (hop) => ({
    why: `it was held up on purpose${byRule(hop)}${heldUp(hop)}`,
    next: [policyLook(hop)],
  }),
  FI: (hop) => ({
    why: `it was failed on purpose${byRule(hop)}: nobody asked ${destination(hop)}`,
    next: [policyLook(hop)],
  }),
  RL: (hop) => ({
    why: `a rate limit was reached${byRule(hop)}: ${callerText(hop)} has used what it may have for now`,
    next: [policyLook(hop), `outrigger top --to ${shortName(hop.record.destination)}`],
  }),
  RLSE: (hop) => ({
    why: `the service that counts rate limits could not be asked${byRule(hop)}${inDetails(hop)}, and the policy refuses then`,
    next: ['outrigger status', policyLook(hop)],
  }),
  RBAC: (hop) => ({
    why: `a rule about who may call what refuses it${byRule(hop) || ' (no rule allows it)'}: the caller is ${callerText(hop)}`,
    next: ['outrigger get policies', policyLook(hop)],
  }),
  UAEX: (hop) => ({
    why: hop.record.details.includes('error')
      ? `the authorization service could not be asked${byRule(hop)}, and without its word nothing passes`
      : hop.record.details.includes('jwt') || hop.record.status === 401
        ? `it has no token that is accepted here${byRule(hop)}${inDetails(hop)}`
        : `an authorization service refused it${byRule(hop)}`,
    next: [policyLook(hop), 'outrigger get policies'],
  }),
  NFCF: (hop) => ({ why: `a filter is not configured as it has to be${inDetails(hop)}`, next: ['outrigger status'] }),
  DF: (hop) => ({
    why: `the name of ${destination(hop)} could not be looked up${inDetails(hop)}`,
    next: ['outrigger check'],
  }),
};

/** Null: nobody has written down what this flag means. */
export function flagCause(flag: string, hop: Hop): Cause | null {
  return Object.hasOwn(causes, flag) ? causes[flag]!(hop) : null;
}

/** Without a flag the answer is the application's, or of the sidecar with a reason in its details. */
export function unflaggedCause(hop: Hop): Cause {
  const { details, status, grpcStatus, destination: to } = hop.record;
  const answer = grpcStatus !== '' && grpcStatus !== '0' ? `gRPC status ${grpcStatus}` : String(status);
  if (hop.limit !== null && (status === 504 || grpcStatus === '4'))
    return {
      why: `${shortName(to)} answered ${answer} when the time that ${hop.limit.rule} gives was over${ofRoute(hop)}`,
      next: [`outrigger top --to ${shortName(to)}`, policyLook(hop)],
    };
  if (details === 'via_upstream' || details === '')
    return {
      why: `${shortName(hop.direction === 'inbound' ? hop.record.service : to)} itself answered ${answer}: the mesh only passed it on`,
      next: [`look into the log of ${shortName(hop.direction === 'inbound' ? hop.record.service : to)}`],
    };
  const known: Readonly<Record<string, string>> = {
    reached_concurrency_limit: `${where(hop)} takes no more at a time than it answers quickly (adaptive concurrency)${byRule(hop)}`,
    denied_by_admission_control: `so many calls to ${destination(hop)} had failed that a share of new ones is refused (admission control)${byRule(hop)}`,
    path_normalization_failed: 'its path cannot be brought to a form that is safe to judge',
    upgrade_failed: 'this upgrade is not allowed here',
    direct_response:
      namingRoute(hop) === ''
        ? `the route ${hop.record.route} answers by itself`
        : `${namingRoute(hop)} has no backend that exists${ofRoute(hop)}, so the sidecar answered ${answer} itself`,
    local_rate_limited: `a rate limit was reached${byRule(hop)}`,
  };
  return {
    why: known[details] ?? `this sidecar answered ${answer} itself${byRule(hop)}${inDetails(hop)}`,
    next: [policyLook(hop)],
  };
}

/** The delay on purpose of a hop further in, for which another had no time. */
export function heldCause(hop: Hop): Cause {
  const what =
    hop.direction === 'inbound'
      ? `the request was held up on purpose before ${hop.service}`
      : `the call of ${hop.service} to ${destination(hop)} was held up on purpose`;
  const howLong = hop.attempts.length === 0 ? ', longer than anybody waited' : heldUp(hop);
  return { why: `${what}${byRule(hop)}${howLong}`, next: [policyLook(hop)] };
}

/** A command about one sidecar, whose admin port only its owner knows. */
function ofSidecar({ record }: Hop, command: string): string {
  return `outrigger ${command} --sidecar-admin HOST:PORT, the admin port of ${record.nodeId || shortName(record.service)}`;
}

function routeName({ record }: Hop): string {
  return record.route === '' ? '' : ` ${record.route}`;
}

/** Who set the limit that ended it; ''. */
function setter({ limit }: Hop): string {
  return limit === null ? '' : limit.rule;
}

function timeGiven(hop: Hop): string {
  if (hop.limit === null) return `the time that the route${routeName(hop)}, or the caller, gives`;
  return `${hop.limit.passedOn ? 'what was left of the time' : 'the time'} that ${hop.limit.rule} gives`;
}

/** Of a stream. */
function lastsBy(hop: Hop): string {
  if (hop.limit?.passedOn === true) return timeGiven(hop);
  return `as long as ${setter(hop) || `its caller's deadline (grpc-timeout) or its route${routeName(hop)}`} lets one last`;
}

/** The route that names a backend that is missing; ''. */
function namingRoute({ record: { rule } }: Hop): string {
  return /^(?:HTTPRoute|GRPCRoute) /.test(rule) ? rule : '';
}

/** Beside who set something for it. */
function ofRoute(hop: Hop): string {
  return hop.limit === null || hop.limit.route === '' ? '' : ` (route ${hop.limit.route})`;
}

/** Retries are what was allowed; repeats of what no service has seen are not counted with them. */
function triesText(hop: Hop): string {
  const retries = hop.attempts.filter(({ why }) => why === 'policy' || why === 'hedge').length;
  const free = hop.attempts.filter(({ why }) => why === 'connection').length;
  // Where the time of a try ended it, its rule is who set that.
  const by = aboutOthers.test(hop.record.rule) || hop.flags.includes('UT') ? '' : byRule(hop);
  const allowed = `${retries === 0 ? 'no retry' : retries === 1 ? '1 retry' : `${retries} retries`}, which is as many as its route allows${by}`;
  return free === 0 ? allowed : `${allowed}, and ${count(free, 'repeat')} at no charge`;
}

/** Kinds of policies that say nothing about retries. */
const aboutOthers = /^(?:AuthorizationPolicy|FaultPolicy|RateLimitPolicy|RequestAuthentication)\b/;

function lastAttempt({ attempts }: Hop): HopAttempt | undefined {
  return attempts.at(-1);
}

function lastHost(hop: Hop): string {
  const host = lastAttempt(hop)?.host ?? '';
  return host === '' ? destination(hop) : `${host} (${shortName(hop.record.destination)})`;
}

function destination({ record, direction, service }: Hop): string {
  return direction === 'inbound' ? `the application of ${service}` : shortName(record.destination);
}

function where({ service, direction, record }: Hop): string {
  return direction === 'inbound' ? service : shortName(record.destination);
}

function byRule({ record }: Hop): string {
  return record.rule === '' ? '' : ` by ${record.rule}`;
}

function inDetails({ record }: Hop): string {
  const inner = /\{(.*)\}/.exec(record.details)?.[1] ?? record.details;
  return inner === '' || inner === 'via_upstream' ? '' : ` (${inner.replaceAll('_', ' ')})`;
}

/** `inbound_limit{3 of 3 …}` and the like. */
function limitDetails({ record }: Hop): string {
  const inner = /\{(.*)\}/.exec(record.details)?.[1];
  return inner === undefined ? '' : ` (${inner.replaceAll('_', ' ')})`;
}

function beganToAnswer(hop: Hop): boolean {
  return hop.record.details.includes('after_response_started') || (lastAttempt(hop)?.firstByteMs ?? -1) >= 0;
}

function lastTryText(hop: Hop): string {
  const attempt = lastAttempt(hop);
  return attempt === undefined || attempt.endedMs < 0 ? '' : timeText(attempt.endedMs - Math.max(0, attempt.startedMs));
}

function waitingFor(hop: Hop): string {
  const attempt = lastAttempt(hop);
  if (attempt === undefined || hop.firstByteMs >= 0) return '';
  return attempt.sentMs < 0 ? ' (it still waited for a connection)' : ` (it waited for ${lastHost(hop)})`;
}

function heldUp({ routedMs, admittedMs }: Hop): string {
  return admittedMs > 0 ? ` for ${timeText(admittedMs - Math.max(0, routedMs))}` : '';
}

function tlsHint(hop: Hop): string {
  return /tls|certificate/i.test(lastAttempt(hop)?.details ?? '') ? ' by TLS' : '';
}

function heldByOperator({ record }: Hop): boolean {
  return record.circumstances.some((line) => line.includes('held open by an operator'));
}

function callerText({ record }: Hop): string {
  if (record.peerIdentity !== '') return record.peerIdentity;
  if (record.direction === 'outbound') return shortName(record.service);
  return `${record.remoteAddress === '' ? 'somebody' : record.remoteAddress}, who showed no certificate`;
}

function pathOnly({ record }: Hop): string {
  return record.path.split('?', 1)[0]!;
}

function tapErrors(hop: Hop): string {
  return `outrigger tap --to ${shortName(hop.record.destination)} --errors`;
}

function policyLook({ record, limit }: Hop): string {
  return record.rule === '' && limit === null ? 'outrigger get routes' : 'outrigger get policies';
}

export function count(n: number, what: string): string {
  return n === 1 ? `1 ${what}` : `${n} ${what}s`;
}
