/** Attributes of a request under Envoy's names, for conditions. Maps, not objects: no name that somebody sends or writes reaches a prototype. What is not known of a request is not in them. */
import type { ConnectionFacts, RequestView } from './request-view.ts';
import { textOfBytes } from './text-match.ts';

type Attributes = ReadonlyMap<string, unknown>;

const fields: ReadonlyMap<string, ReadonlySet<string>> = new Map([
  [
    'request',
    new Set([
      'path',
      'url_path',
      'query',
      'host',
      'scheme',
      'method',
      'headers',
      'referer',
      'useragent',
      'id',
      'protocol',
    ]),
  ],
  ['source', new Set(['address', 'port'])],
  ['destination', new Set(['address', 'port'])],
  [
    'connection',
    new Set([
      'mtls',
      'requested_server_name',
      'subject_peer_certificate',
      'uri_san_peer_certificate',
      'dns_san_peer_certificate',
      'sha256_peer_certificate_digest',
      'uri_san_local_certificate',
    ]),
  ],
  ['metadata', new Set(['filter_metadata'])],
]);

/** Whether an expression may refer to it; `field` undefined: to the whole. */
export function isAttribute(root: string, field: string | undefined): boolean {
  const known = fields.get(root);
  return known !== undefined && (field === undefined || known.has(field));
}

const protocols = { '1.0': 'HTTP/1.0', '1.1': 'HTTP/1.1', '2': 'HTTP/2' } as const;

/** Each is made when the expression asks for it. */
export function attributesOf(view: RequestView): Record<string, never> {
  // A property on the way to a value is looked up by names in the expression.
  return Object.create(null, {
    request: { get: () => request(view) },
    source: { get: () => endpoint(view.clientEndpoint) },
    destination: { get: () => endpoint(view.connection.info.localAddress) },
    connection: { get: () => connection(view.connection) },
    metadata: { get: () => new Map([['filter_metadata', view.metadata ?? new Map()]]) },
  }) as Record<string, never>;
}

function request(view: RequestView): Attributes {
  const { head, path, requestId } = view;
  const headers = new Map<string, string>();
  const { names, values } = head.fields;
  // Several values are put together with commas, as Envoy does for expressions: an expression is to say what it wants of a list.
  for (let i = 0; i < names.length; i++) {
    const { lower } = names[i]!;
    const before = headers.get(lower);
    const value = textOfBytes(values[i]!);
    headers.set(lower, before === undefined ? value : `${before},${value}`);
  }
  headers.set('host', head.authority).set(':authority', head.authority).set(':method', head.method);
  headers.set(':path', textOfBytes(head.path)).set(':scheme', head.scheme);
  const found = new Map<string, unknown>([
    ['path', textOfBytes(head.path)],
    ['url_path', textOfBytes(path)],
    ['query', textOfBytes(head.path.slice(path.length + 1))],
    ['host', head.authority],
    ['scheme', head.scheme],
    ['method', head.method],
    ['headers', headers],
    ['protocol', protocols[head.version]],
  ]);
  addText(found, 'referer', headers.get('referer'));
  addText(found, 'useragent', headers.get('user-agent'));
  addText(found, 'id', requestId);
  return found;
}

function endpoint(address: string): Attributes {
  return new Map<string, unknown>([
    ['address', address],
    ['port', BigInt(Number(address.slice(address.lastIndexOf(':') + 1)) || 0)],
  ]);
}

function connection({ info }: ConnectionFacts): Attributes {
  const { peer } = info;
  const found = new Map<string, unknown>([['mtls', peer !== null]]);
  addText(found, 'requested_server_name', info.serverName);
  addText(found, 'uri_san_local_certificate', info.localUri);
  addText(found, 'subject_peer_certificate', peer?.subject);
  addText(found, 'uri_san_peer_certificate', peer?.uris[0]);
  addText(found, 'dns_san_peer_certificate', peer?.dnsNames[0]);
  addText(found, 'sha256_peer_certificate_digest', peer?.sha256);
  return found;
}

function addText(to: Map<string, unknown>, name: string, value: string | undefined): void {
  if (value !== undefined && value !== '') to.set(name, value);
}
