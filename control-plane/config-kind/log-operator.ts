/**
 * Envoy's command operators in formats of access logs: their names, and what may stand in their parentheses and behind a colon. What is wrong is a fault of the file; a proxy would refuse its listeners
 * with it. Accepted is what Envoy and our sidecar both take (log-operator.test.ts asks the sidecar's own compiler).
 */
import { closestWord } from './closest-word.ts';

/** Why an argument is not a good one, or null. */
type ArgumentCheck = (argument: string) => string | null;

interface OperatorRule {
  /** Null: nothing stands in parentheses. */
  readonly check: ArgumentCheck | null;
  readonly needsArgument: boolean;
  /** `:10` may stand at its end. */
  readonly takesLength: boolean;
}

const bare: OperatorRule = { check: null, needsArgument: false, takesLength: false };

const optional = (check: ArgumentCheck, takesLength = false): OperatorRule => ({
  check: (argument) => (argument === '' ? null : check(argument)),
  needsArgument: false,
  takesLength,
});

const required = (check: ArgumentCheck, takesLength: boolean): OperatorRule => ({
  check,
  needsArgument: true,
  takesLength,
});

/** RFC 9110 5.6.2, and pseudo-headers. */
const headerName = /^:?[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

const header = required((argument) => {
  const [first = '', ...others] = argument.split('?');
  if (first === '') return 'needs the name of a header';
  if (others.length > 1) return 'takes two names at most: NAME?OTHER';
  const wrong = [first, ...others].find((each) => each !== '' && !headerName.test(each));
  return wrong === undefined ? null : `takes NAME?OTHER; ${wrong} is not the name of a header`;
}, true);

/** Those of strftime, and Envoy's fractions of a second. Not %n: to Envoy a line break is a fault. */
const timeSpecifier = /%(?:E[1-9*]S|E4Y|E\*?z|ET|[1-9]?f|[AabBdDeFhHIjmMpRsStTuwyYzZ%])/g;

const time = optional((argument) =>
  argument.replace(timeSpecifier, '').includes('%')
    ? 'has a time specifier that is not known; %Y-%m-%dT%H:%M:%E3S is one format that is'
    : null,
);

const network = optional((argument) =>
  /^\d{1,3}$/.test(argument) && Number(argument) <= 128 ? null : 'takes a number of bits, from 0 to 128',
);

const name =
  (what: string): ArgumentCheck =>
  (argument) =>
    argument === '' ? `needs the name of ${what}` : null;

/** Words that are separated by colons, each one of its own list; the last ones may be left out, or be empty. */
function words(...lists: ReadonlyArray<readonly string[]>): ArgumentCheck {
  return (argument) => {
    const given = argument.split(':');
    if (given.length > lists.length)
      return `takes ${lists.length === 1 ? 'one word' : `${lists.length} words`} at most`;
    for (const [at, word] of given.entries())
      if (word !== '' && !lists[at]!.includes(word)) return `takes ${lists[at]!.join(', ')}, not ${word}`;
    return null;
  };
}

const points = ['DS_RX_BEG', 'DS_RX_END', 'US_TX_BEG', 'US_TX_END', 'US_RX_BEG', 'US_RX_END', 'DS_TX_BEG', 'DS_TX_END'];
const pointsAndUnit = words(points, points, ['ms', 'us', 'ns']);

const duration = required((argument) => {
  const given = argument.split(':');
  return given.length !== 3 || given.includes('')
    ? 'needs two points and a unit: START:END:ms'
    : pointsAndUnit(argument);
}, false);

const metadata = required((argument) => (argument.split(':').includes('') ? 'needs NAMESPACE:KEY…' : null), true);

const bareNames: readonly string[] = [
  ...['ACCESS_LOG_TYPE', 'BYTES_RECEIVED', 'BYTES_RETRANSMITTED', 'BYTES_SENT', 'CONNECTION_ID'],
  ...['CONNECTION_TERMINATION_DETAILS', 'DOWNSTREAM_DIRECT_REMOTE_ADDRESS', 'DOWNSTREAM_DIRECT_REMOTE_PORT'],
  ...['DOWNSTREAM_LOCAL_ADDRESS', 'DOWNSTREAM_LOCAL_PORT', 'DOWNSTREAM_LOCAL_URI_SAN', 'DOWNSTREAM_PEER_CERT'],
  ...['DOWNSTREAM_PEER_DNS_SAN', 'DOWNSTREAM_PEER_EMAIL_SAN', 'DOWNSTREAM_PEER_FINGERPRINT_1'],
  ...['DOWNSTREAM_PEER_FINGERPRINT_256', 'DOWNSTREAM_PEER_IP_SAN', 'DOWNSTREAM_PEER_ISSUER', 'DOWNSTREAM_PEER_SERIAL'],
  ...['DOWNSTREAM_PEER_SUBJECT', 'DOWNSTREAM_PEER_URI_SAN', 'DOWNSTREAM_REMOTE_ADDRESS', 'DOWNSTREAM_REMOTE_PORT'],
  ...['DOWNSTREAM_TLS_CIPHER', 'DOWNSTREAM_TLS_VERSION', 'DURATION', 'GRPC_STATUS_NUMBER', 'HOSTNAME'],
  ...['PACKETS_RETRANSMITTED', 'PROTOCOL', 'REQUEST_DURATION', 'REQUEST_HEADERS_BYTES', 'REQUEST_TX_DURATION'],
  ...['RESPONSE_CODE', 'RESPONSE_DURATION', 'RESPONSE_FLAGS', 'RESPONSE_FLAGS_LONG', 'RESPONSE_HEADERS_BYTES'],
  ...['RESPONSE_TRAILERS_BYTES', 'RESPONSE_TX_DURATION', 'ROUNDTRIP_DURATION', 'ROUTE_NAME', 'SPAN_ID', 'STREAM_ID'],
  ...['TRACE_ID', 'UNIQUE_ID', 'UPSTREAM_CLUSTER', 'UPSTREAM_CLUSTER_RAW', 'UPSTREAM_HOST', 'UPSTREAM_LOCAL_ADDRESS'],
  ...['UPSTREAM_PROTOCOL', 'UPSTREAM_REMOTE_ADDRESS', 'UPSTREAM_REMOTE_PORT', 'UPSTREAM_REQUEST_ATTEMPT_COUNT'],
  ...['UPSTREAM_TRANSPORT_FAILURE_REASON', 'VIRTUAL_CLUSTER_NAME'],
];

const operators: ReadonlyMap<string, OperatorRule> = new Map([
  ...bareNames.map((each) => [each, bare] as const),
  ...['REQ', 'REQUEST_HEADER', 'RESP', 'RESPONSE_HEADER', 'TRAILER', 'RESPONSE_TRAILER'].map(
    (each) => [each, header] as const,
  ),
  ...['START_TIME', 'START_TIME_LOCAL', 'EMIT_TIME', 'EMIT_TIME_LOCAL'].map((each) => [each, time] as const),
  ...['DOWNSTREAM_PEER_CERT_V_START', 'DOWNSTREAM_PEER_CERT_V_END'].map((each) => [each, time] as const),
  ...['DOWNSTREAM_REMOTE', 'DOWNSTREAM_DIRECT_REMOTE', 'DOWNSTREAM_LOCAL', 'UPSTREAM_REMOTE'].map(
    (each) => [`${each}_ADDRESS_WITHOUT_PORT`, network] as const,
  ),
  ['PATH', optional(words(['WQ', 'NQ'], ['ORIG', 'PATH', 'ORIG_OR_PATH']), true)],
  ['QUERY_PARAM', required(name('a parameter'), true)],
  ['RESPONSE_CODE_DETAILS', optional(words(['ALLOW_WHITESPACES']))],
  ['GRPC_STATUS', optional(words(['CAMEL_STRING', 'SNAKE_STRING', 'NUMBER']))],
  ['COMMON_DURATION', duration],
  ['REQUESTED_SERVER_NAME', optional(words(['SNI_ONLY', 'SNI_FIRST', 'HOST_FIRST'], ['ORIG', 'HOST', 'ORIG_OR_HOST']))],
  ['DYNAMIC_METADATA', metadata],
  ['ENVIRONMENT', required(name('a variable'), true)],
]);
const names = [...operators.keys()];

/** What is wrong with a format, or null. */
export function logFormatFault(text: string): string | null {
  // %% is a per cent sign; arguments may have one (START_TIME(%Y)).
  const operator = /%(?:%|([A-Z0-9_]+)(?:\(([^)]*)\))?(?::([^%\s]*))?%)?/g;
  for (const [whole, named, argument, length] of text.matchAll(operator)) {
    if (whole === '%%') continue;
    if (named === undefined) return 'has a % that begins no operator; write %% for the sign itself';
    const rule = operators.get(named);
    if (rule === undefined) {
      const near = closestWord(named, names);
      return `has ${whole}, which is no operator that proxies know${near === null ? '' : `; did you mean %${near}%?`}`;
    }
    const fault = operatorFault(named, rule, argument, length);
    if (fault !== null) return `has ${whole}, but ${fault}`;
  }
  return null;
}

function operatorFault(
  named: string,
  { check, needsArgument, takesLength }: OperatorRule,
  argument: string | undefined,
  length: string | undefined,
): string | null {
  if (length !== undefined && !takesLength) return `nothing may stand behind a colon of ${named}`;
  if (length !== undefined && !/^\d+$/.test(length))
    return `behind the colon stands how many characters there are at most: %${named}(…):10%`;
  if (check === null) return argument ? `${named} takes nothing in parentheses` : null;
  if (argument === undefined && !needsArgument) return null;
  const fault = check(argument ?? '');
  return fault === null ? null : `${named} ${fault}`;
}
