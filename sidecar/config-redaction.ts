/**
 * Takes secrets out of configuration that is shown: keys, passwords, what is sent to services as credentials, and values of header fields that are credentials by their name. Works on proto JSON with
 * proto field names, whatever message a secret stands in. Text elsewhere (a route's name, a cluster's address) is not looked at.
 */
import type { JsonValue } from '@bufbuild/protobuf';

/** Envoy's word for it. */
export const redacted = '[redacted]';

/** DataSources. */
const secretSources: ReadonlySet<string> = new Set(['private_key', 'password', 'session_ticket_keys']);
const secretTexts: ReadonlySet<string> = new Set(['access_token', 'refresh_token', 'client_secret']);
/** Fields that our own calls to services carry: every one may be a credential. */
const ownFields: ReadonlySet<string> = new Set(['initial_metadata', 'headers_to_add']);
const credentialName = /auth|cookie|token|secret|passw|credential|api-?key|signature|session/i;

export function redact(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map(redact);
  if (typeof value !== 'object' || value === null) return value;
  const { key: fieldKey, name } = value;
  // HeaderValue, and HeaderMatcher: what it compares with is the credential.
  if (isCredential(fieldKey) && ('value' in value || 'raw_value' in value)) return withoutTexts(value, 'key');
  if (isCredential(name) && [...matcherFields].some((field) => field in value)) return withoutTexts(value, 'name');
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => {
      if (secretSources.has(key)) return [key, { inline_string: redacted }];
      if (secretTexts.has(key)) return [key, redacted];
      return [key, ownFields.has(key) ? withoutTexts(inner, 'key') : redact(inner)];
    }),
  );
}

const matcherFields: ReadonlySet<string> = new Set([
  'string_match',
  'exact_match',
  'prefix_match',
  'suffix_match',
  'contains_match',
  'safe_regex_match',
  'range_match',
]);

function isCredential(name: unknown): name is string {
  return typeof name === 'string' && !name.startsWith(':') && credentialName.test(name);
}

/** Texts go, but for those of `kept`, which name the field, and for enums and types that say how it is used. */
function withoutTexts(value: JsonValue, kept: 'key' | 'name'): JsonValue {
  if (Array.isArray(value)) return value.map((each) => withoutTexts(each, kept));
  if (typeof value === 'string') return redacted;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key,
      key === kept || key === 'append_action' || key === '@type' ? inner : withoutTexts(inner, kept),
    ]),
  );
}
