/** What can go wrong between us and the API server, so that one line says what it is and what mends it. */

/** The API server said no. */
export class ApiFault extends Error {
  readonly status: number;
  /** Kubernetes' own word (`Expired`, `Forbidden`, `Conflict`); ''. */
  readonly reason: string;
  /** It wants to be left alone for so long; 0: it does not say. */
  readonly retryAfterMs: number;

  constructor(status: number, reason: string, message: string, retryAfterMs = 0) {
    super(message);
    this.status = status;
    this.reason = reason;
    this.retryAfterMs = retryAfterMs;
  }

  /** The version that was asked for is not kept any more: list again (410). */
  get isExpired(): boolean {
    return this.status === 410;
  }

  /** Of an answer that is not 2xx: the Status object in it, when there is one. */
  static ofAnswer(status: number, text: string, retryAfterSeconds: string | undefined): ApiFault {
    let reason = '';
    let message = text.slice(0, 300);
    try {
      const object = JSON.parse(text) as { readonly reason?: unknown; readonly message?: unknown } | null;
      if (typeof object?.reason === 'string') reason = object.reason;
      if (typeof object?.message === 'string') message = object.message.slice(0, 1000);
    } catch {
      // No Status: whatever stands before the API server has answered.
    }
    const seconds = Number(retryAfterSeconds);
    return new ApiFault(status, reason, message, seconds > 0 ? Math.min(seconds, 60) * 1000 : 0);
  }
}

/** The API server has answered, and would again: it is neither away nor overrun. */
export function isRefusal(error: unknown): error is ApiFault {
  return error instanceof ApiFault && error.status < 500 && error.status !== 429;
}

/** A write that failed is worth no word: the API server is away, or the object is gone or has changed meanwhile, which the watch tells. */
export function isPassingWriteFault(error: unknown): boolean {
  return !isRefusal(error) || error.status === 404 || error.status === 409;
}

/** What came is not what Kubernetes' API says. */
export class ApiGarbage extends Error {}

/** What a role has to allow. */
export interface RoleRule {
  /** '' : the core group. */
  readonly group: string;
  /** With a subresource: `httproutes/status`. */
  readonly resource: string;
  readonly verbs: readonly string[];
  /** '' : of all namespaces, so it has to be a ClusterRole. */
  readonly namespace: string;
}

/** One line for a user. */
export function faultWords(error: unknown, rule: RoleRule): string {
  const what = rule.group === '' ? rule.resource : `${rule.resource}.${rule.group}`;
  if (!(error instanceof ApiFault)) return (error as Error).message;
  switch (error.status) {
    case 401:
      return `the API server does not know our credentials (401); is the token of another cluster, or has it expired? (${what})`;
    case 403:
      return `the API server does not let us ${rule.verbs.join(' or ')} ${what} (403: ${error.message}); the ${rule.namespace === '' ? 'ClusterRole' : `Role in namespace ${rule.namespace}`} needs the rule apiGroups: [${JSON.stringify(rule.group)}], resources: [${JSON.stringify(rule.resource)}], verbs: [${rule.verbs.join(', ')}]`;
    case 404:
      return `the API server has no ${what} (404)`;
    default:
      return `the API server answered ${error.status} for ${what}${error.message === '' ? '' : `: ${error.message}`}`;
  }
}
