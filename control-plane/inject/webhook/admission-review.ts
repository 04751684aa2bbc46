/** What the Kubernetes API server asks when a pod is made (AdmissionReview, admission.k8s.io/v1), and the answer: a patch, nothing, or why not. Pure, and an answer to whatever comes, also to what no API server sends. */
import { isNestedDeeper, nestingFault } from '../../../yaml/nesting.ts';
import { type Injection, injectPod } from '../inject-pod.ts';
import { jsonPatch } from '../json-patch.ts';
import { type LockedKnobs, lockedByDefault, type MeshWide } from '../knobs.ts';

/** What came of a review, for metrics and the log. `failed`: by a fault of ours. */
export type ReviewOutcome = 'injected' | 'unchanged' | 'skipped' | 'refused' | 'malformed' | 'failed';

export interface ReviewAnswer {
  /** Of HTTP. */
  readonly status: number;
  readonly body: AdmissionReview;
  readonly outcome: ReviewOutcome;
  /** For the log; '' when there is nothing to say. */
  readonly line: string;
}

export interface AdmissionReview {
  readonly apiVersion: 'admission.k8s.io/v1';
  readonly kind: 'AdmissionReview';
  readonly response: {
    readonly uid: string;
    readonly allowed: boolean;
    readonly status?: { readonly code: number; readonly reason: string; readonly message: string };
    readonly patchType?: 'JSONPatch';
    /** Base64 of JSON. */
    readonly patch?: string;
    readonly warnings?: readonly string[];
  };
}

const group = 'admission.k8s.io/v1';
const maxUidLength = 253;
const maxMessageLength = 4_096;
/** Kubernetes cuts longer ones off. */
const maxWarningLength = 250;
const maxWarnings = 10;
const maxStackLength = 400;

/** Refused before anything is known of a pod. `status`: of HTTP. */
export function malformedReview(status: number, message: string, uid = ''): ReviewAnswer {
  const reason = status === 413 ? 'RequestEntityTooLarge' : status === 415 ? 'UnsupportedMediaType' : 'BadRequest';
  return { status, body: denied(uid, status, reason, message), outcome: 'malformed', line: message };
}

/** A fault of ours. The pod is not made: without its sidecar it would be out of the mesh, by whatever brought the fault about. */
export function failedReview(error: unknown, uid = '', what = 'a review'): ReviewAnswer {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return {
    status: 200,
    body: denied(
      uid,
      500,
      'InternalError',
      'outrigger: the webhook failed on this pod; the log of the control plane says why',
    ),
    outcome: 'failed',
    line: `${what} failed: ${text.slice(0, maxStackLength).replaceAll(/\s*\n\s*/g, ' ')}`,
  };
}

/** `text`: the body of a request, as JSON. */
export function answerReview(
  text: string,
  meshWide: MeshWide,
  locked: LockedKnobs = new Set(lockedByDefault),
): ReviewAnswer {
  let review: unknown;
  try {
    review = JSON.parse(text);
  } catch {
    return malformedReview(400, 'the request is not JSON');
  }
  if (isNestedDeeper(review)) return malformedReview(400, `the request ${nestingFault}`);
  const { apiVersion, kind, request } = fields(review);
  const { uid, operation, object, namespace, subResource } = fields(request);
  const known = typeof uid === 'string' && uid.length <= maxUidLength ? uid : '';
  const malformed = (message: string): ReviewAnswer => malformedReview(400, message, known);
  if (apiVersion !== group || kind !== 'AdmissionReview')
    return malformed(`the request is not an AdmissionReview of ${group}`);
  if (known === '') return malformed('request.uid is missing, or longer than a uid is');
  const what = fields(fields(request)['kind']);
  if (what['group'] !== '' || what['version'] !== 'v1' || what['kind'] !== 'Pod')
    return malformed('request.kind is not a Pod of the core group; the webhook is registered for pods only');
  if (typeof operation !== 'string') return malformed('request.operation is missing');
  if (typeof namespace !== 'string' || namespace === '') return malformed('request.namespace is missing');
  if (operation !== 'CREATE' || (typeof subResource === 'string' && subResource !== ''))
    return allowed(known, 'unchanged', []);
  const { apiVersion: objectVersion, kind: objectKind, metadata } = fields(object);
  if (objectKind !== 'Pod' || objectVersion !== 'v1') return malformed('request.object is not a Pod');
  const { namespace: ownNamespace } = fields(metadata);
  if (ownNamespace !== undefined && ownNamespace !== '' && ownNamespace !== namespace)
    return malformed('request.object.metadata.namespace is not request.namespace');
  try {
    return reviewPod(known, object, namespace, injectPod({ pod: object, namespace, owner: '' }, meshWide, locked));
  } catch (error) {
    return failedReview(error, known, `a review of a pod in ${namespace}`);
  }
}

function reviewPod(known: string, object: unknown, namespace: string, injection: Injection): ReviewAnswer {
  if (injection.kind === 'skipped') return allowed(known, 'skipped', []);
  if (injection.kind === 'refused') {
    const message = `outrigger: ${injection.faults.join('; ')}`;
    return {
      status: 200,
      body: denied(known, 422, 'Invalid', message),
      outcome: 'refused',
      line: `a pod in ${namespace} is refused: ${injection.faults.join('; ')}`,
    };
  }
  const patch = jsonPatch(object, injection.pod);
  return allowed(known, patch.length === 0 ? 'unchanged' : 'injected', injection.warnings, patch);
}

function allowed(
  uid: string,
  outcome: ReviewOutcome,
  warnings: readonly string[],
  patch: ReturnType<typeof jsonPatch> = [],
): ReviewAnswer {
  return {
    status: 200,
    body: {
      apiVersion: group,
      kind: 'AdmissionReview',
      response: {
        uid,
        allowed: true,
        ...(patch.length === 0
          ? {}
          : { patchType: 'JSONPatch', patch: Buffer.from(JSON.stringify(patch)).toString('base64') }),
        ...(warnings.length === 0
          ? {}
          : {
              warnings: warnings.slice(0, maxWarnings).map((text) => `outrigger: ${text}`.slice(0, maxWarningLength)),
            }),
      },
    },
    outcome,
    line: '',
  };
}

function denied(uid: string, code: number, reason: string, message: string): AdmissionReview {
  return {
    apiVersion: group,
    kind: 'AdmissionReview',
    response: { uid, allowed: false, status: { code, reason, message: message.slice(0, maxMessageLength) } },
  };
}

/** Own ones only. */
function fields(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, unknown>>)
    : {};
}
