/** Probes of an application that its sidecar makes in the kubelet's place, as `outrigger inject` wrote them down (`--app-probes`): by path on the port for scrapers and probes. What a probe does is in ask-application.ts. */

export type AppProbe = HttpAppProbe | TcpAppProbe | GrpcAppProbe;

interface ProbePlace {
  /** The application's. */
  readonly port: number;
  readonly timeoutMs: number;
}

export interface HttpAppProbe extends ProbePlace {
  readonly kind: 'http';
  /** HTTPS is not verified, as the kubelet does not. */
  readonly secure: boolean;
  readonly path: string;
  /** In their order; `Host` among them is the authority. */
  readonly headers: ReadonlyArray<readonly [name: string, value: string]>;
}

export interface TcpAppProbe extends ProbePlace {
  readonly kind: 'tcp';
}

export interface GrpcAppProbe extends ProbePlace {
  readonly kind: 'grpc';
  readonly service: string;
}

const maxProbes = 256;
const maxTimeoutSeconds = 3_600;
const maxTextLength = 4_096;
const fieldName = /^[-!#$%&'*+.^_`|~0-9A-Za-z]{1,256}$/;

/** Throws an Error of one line that names the field. */
export function parseAppProbes(text: string): ReadonlyMap<string, AppProbe> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Error(`is not JSON: ${(error as Error).message}`, { cause: error });
  }
  const entries = Object.entries(mapAt(value, 'it'));
  if (entries.length > maxProbes) throw new Error(`has more than ${maxProbes} probes`);
  const probes = new Map<string, AppProbe>();
  for (const [path, written] of entries) {
    if (!path.startsWith('/app-health/')) throw new Error(`${JSON.stringify(path)}: does not begin with /app-health/`);
    probes.set(path, readProbe(mapAt(written, path), path));
  }
  return probes;
}

function readProbe(written: Fields, at: string): AppProbe {
  const { port, timeoutSeconds, httpGet, tcpSocket, grpc } = written;
  if (typeof port !== 'number' || !Number.isInteger(port) || port < 1 || port > 65_535)
    throw new Error(`${at}.port: is not a port from 1 to 65535`);
  if (typeof timeoutSeconds !== 'number' || !(timeoutSeconds > 0) || timeoutSeconds > maxTimeoutSeconds)
    throw new Error(`${at}.timeoutSeconds: is not a number of seconds up to ${maxTimeoutSeconds}`);
  const place = { port, timeoutMs: timeoutSeconds * 1_000 };
  if (httpGet !== undefined) return readHttp(mapAt(httpGet, `${at}.httpGet`), place, `${at}.httpGet`);
  if (grpc !== undefined)
    return { kind: 'grpc', ...place, service: textAt(mapAt(grpc, `${at}.grpc`)['service'], `${at}.grpc.service`) };
  if (tcpSocket !== undefined) return { kind: 'tcp', ...place };
  throw new Error(`${at}: is none of httpGet, tcpSocket and grpc`);
}

function readHttp({ path, scheme, httpHeaders }: Fields, place: ProbePlace, at: string): HttpAppProbe {
  const target = textAt(path, `${at}.path`);
  const headers = (Array.isArray(httpHeaders) ? httpHeaders : []).map((each: unknown, index) => {
    const { name, value } = mapAt(each, `${at}.httpHeaders[${index}]`);
    const [key, text] = [
      textAt(name, `${at}.httpHeaders[${index}].name`),
      textAt(value, `${at}.httpHeaders[${index}].value`),
    ];
    if (!fieldName.test(key))
      throw new Error(`${at}.httpHeaders[${index}].name: ${JSON.stringify(key)} is no name of a header`);
    return [key, text] as const;
  });
  return {
    kind: 'http',
    ...place,
    secure: textAt(scheme, `${at}.scheme`).toUpperCase() === 'HTTPS',
    path: target.startsWith('/') ? target : `/${target}`,
    headers,
  };
}

type Fields = Readonly<Record<string, unknown>>;

function mapAt(value: unknown, at: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error(`${at}: is not a map`);
  return value as Fields;
}

/** What is written into a request: no control characters. Absent is ''. */
function textAt(value: unknown, at: string): string {
  if (value === undefined || value === null) return '';
  if (typeof value !== 'string' || value.length > maxTextLength || /\p{Cc}/u.test(value))
    throw new Error(`${at}: is not a text of at most ${maxTextLength} characters without control characters`);
  return value;
}
