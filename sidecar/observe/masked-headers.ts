/** Header fields as somebody may see them who watches requests: values that let their holder in somewhere are hidden before they leave the sidecar. */
import { hideParametersIn } from '../access-log/hidden-parameters.ts';

const hidden = '(hidden)';

/** By whole names, and by words within a name: what applications invent is called like this. */
const secretNames: ReadonlySet<string> = new Set([
  'authorization',
  'proxy-authorization',
  'cookie',
  'set-cookie',
  'cookie2',
  'set-cookie2',
  'www-authenticate',
  'proxy-authenticate',
  'authentication-info',
  'proxy-authentication-info',
  'dpop',
  'x-amz-signature',
  'x-hub-signature',
  'x-hub-signature-256',
  'ocp-apim-subscription-key',
]);
const secretWord =
  /(?:^|[-_.])(?:auth|authorization|api[-_]?key|access[-_]?key|apikey|jwt|token|secret|password|passwd|passphrase|pwd|credentials?|session(?:[-_]?id)?|sid|csrf|xsrf|otp|assertion|private[-_]?key)(?:$|[-_.])/;

/** Of what it lets in with, the scheme alone is told: whether it was a bearer token helps, and is no secret. */
const schemes = /^(?:basic|bearer|digest|negotiate|ntlm|hmac|hoba|mutual|gnap|dpop|aws4-hmac-sha256) /i;

/** `name`: in any case. */
export function holdsSecret(name: string): boolean {
  const lower = name.toLowerCase();
  return secretNames.has(lower) || secretWord.test(lower);
}

/** Fields of one name are joined with `, `. `hiddenParameters`: of the query of an address in a value, as in `location` and `referer`. So many bytes of names and values at most; the rest is left out, and the field `…` says so. */
export function maskedHeaders(
  fields: ReadonlyArray<readonly [string, string]>,
  hiddenParameters: ReadonlySet<string>,
  maxBytes = 32 * 1024,
): Record<string, string> {
  const shown: Record<string, string> = Object.create(null) as Record<string, string>;
  let bytes = 0;
  for (const [name, value] of fields) {
    const text = holdsSecret(name) ? mask(value) : hideParametersIn(value, hiddenParameters);
    bytes += name.length + text.length;
    if (bytes > maxBytes) {
      shown['…'] = 'more fields were left out';
      break;
    }
    const lower = name.toLowerCase();
    shown[lower] = lower in shown ? `${shown[lower]}, ${text}` : text;
  }
  return shown;
}

function mask(value: string): string {
  const scheme = schemes.exec(value);
  return scheme === null ? hidden : `${scheme[0]}${hidden}`;
}
