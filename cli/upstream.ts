/** Upstreams as `--upstream` takes them: a service's port that the sidecar offers on an address of its own, and what the command is told of it. */
import { parseWhole } from './host-port.ts';
import { UserError } from './user-error.ts';

export interface Upstream {
  readonly namespace: string;
  readonly name: string;
  readonly port: number;
  /** On 127.0.0.1; 0: a free one. */
  readonly localPort: number;
}

/** `shop/orders:80` */
export function upstreamText({ namespace, name, port }: Upstream): string {
  return `${namespace}/${name}:${port}`;
}

const flag = '--upstream';
const written =
  /^(?:([a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?)\/)?([a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?):([^:=]*)(?:=(.*))?$/;

/**
 * Parses `NS/NAME:PORT[=LOCALPORT]`, or `NAME:PORT[=LOCALPORT]` for a service of `ownNamespace`. `taken`: local ports that something else has, with what that is.
 * Throws a UserError for what is wrong, given twice, or would have the same local port.
 */
export function parseUpstreams(
  texts: readonly string[],
  ownNamespace: string,
  taken: ReadonlyMap<number, string> = new Map(),
): readonly Upstream[] {
  const upstreams: Upstream[] = [];
  const localPorts = new Map(taken);
  const given = new Set<string>();
  for (const text of texts) {
    const match = written.exec(text);
    if (match === null)
      throw new UserError(
        `${flag}: ${JSON.stringify(text)} is not NAMESPACE/NAME:PORT[=LOCALPORT]; write it as shop/orders:80 or shop/orders:80=9080`,
        2,
      );
    const [, namespace = ownNamespace, name = '', port = '', localPort] = match;
    const upstream: Upstream = {
      namespace,
      name,
      port: parseWhole(`${flag} ${text}: port`, port, 1, 65535),
      localPort: localPort === undefined ? 0 : parseWhole(`${flag} ${text}: local port`, localPort, 1, 65535),
    };
    const service = upstreamText(upstream);
    if (given.has(service)) throw new UserError(`${flag}: ${service} is given twice`, 2);
    given.add(service);
    const holder = localPorts.get(upstream.localPort);
    if (holder !== undefined)
      throw new UserError(`${flag} ${text}: local port ${upstream.localPort} is already that of ${holder}`, 2);
    if (upstream.localPort !== 0) localPorts.set(upstream.localPort, `${flag} ${service}`);
    upstreams.push(upstream);
  }
  return upstreams;
}

/**
 * `ORDERS_SHOP_ADDRESS=127.0.0.1:PORT` and `ORDERS_SHOP_URL=http://127.0.0.1:PORT`. When several ports of a service are given, the first has these names, and each has a name
 * with its port too (`ORDERS_SHOP_8081_ADDRESS`). `addressOf` says where the sidecar listens for one. Throws a UserError when two services would have one name.
 */
export function upstreamEnvironment(
  upstreams: readonly Upstream[],
  addressOf: (upstream: Upstream) => string,
): Record<string, string> {
  const environment: Record<string, string> = {};
  const owners = new Map<string, string>();
  const give = (prefix: string, owner: string, upstream: Upstream): void => {
    const other = owners.get(prefix);
    if (other !== undefined && other !== owner)
      throw new UserError(
        `${flag}: ${other} and ${owner} would both be ${prefix}_ADDRESS in the command's environment; run can hand over only one of them`,
        2,
      );
    if (other !== undefined) return;
    owners.set(prefix, owner);
    const address = addressOf(upstream);
    environment[`${prefix}_ADDRESS`] = address;
    environment[`${prefix}_URL`] = `http://${address}`;
  };
  for (const upstream of upstreams) {
    const { namespace, name, port } = upstream;
    const prefix = `${name}_${namespace}`.toUpperCase().replaceAll('-', '_');
    const service = `${namespace}/${name}`;
    give(prefix, service, upstream);
    const several = upstreams.filter((other) => other.namespace === namespace && other.name === name).length > 1;
    if (several) give(`${prefix}_${port}`, upstreamText(upstream), upstream);
  }
  return environment;
}
