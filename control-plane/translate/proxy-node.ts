/** Who a proxy says it is, read from `node` of its first message, and which kind of client it is. */
import { isIP } from 'node:net';
import type { SpiffeId } from '../../certs/spiffe/spiffe-id.ts';
import type { Node } from '../../proto/generated/envoy/config/core/v3/base_pb.js';
import { type PortRange, readPortRanges } from './port-ranges.ts';

/** Which encoder renders for it: where clients differ, each is sent what it takes (xds.md C3). */
export type ClientKind = 'envoy' | 'outrigger' | 'grpc';

export interface HostPort {
  /** IP literal. */
  readonly host: string;
  readonly port: number;
}

/** A service's port that this proxy offers on an address of its own. */
export interface UpstreamAddress {
  readonly namespace: string;
  readonly service: string;
  readonly port: number;
  /** Port 0: the proxy takes a free one. */
  readonly listen: HostPort;
}

/** How traffic comes to it: `NONE`: callers name it. Else rules of the kernel bring it, inbound by address translation or, with the caller's address kept, by TPROXY. */
export type Interception = 'NONE' | 'REDIRECT' | 'TPROXY';
export type IpFamily = 'IPv4' | 'IPv6';
/** What becomes of connections to places that no Service is at. */
export type Egress = 'allow' | 'registry-only';

export interface ProxyNode {
  readonly id: string;
  /** As it was sent: `namespace/service`. */
  readonly cluster: string;
  readonly namespace: string;
  readonly service: string;
  readonly kind: ClientKind;
  /** Null: no application beside it, so no inbound listener. */
  readonly appPort: number | null;
  /** Of an application that listens on several: more of them, each with inbound chains of its own, in order. Only with interception. */
  readonly appPorts: readonly number[];
  readonly outboundListen: HostPort;
  readonly inboundListen: HostPort;
  /** Each has a listener of its own, beside `outbound`. */
  readonly upstreams: readonly UpstreamAddress[];
  /** Cluster of its bootstrap that leads to the control plane, for filters that ask it; '' : not known. */
  readonly controlPlaneCluster: string;
  readonly zone: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly interception: Interception;
  /** That its host has, IPv4 first; at least one. What follows counts with interception only. */
  readonly ipFamilies: readonly IpFamily[];
  readonly egress: Egress;
  /** Where nothing is looked at: of the application, and of whatever it calls. Sorted, apart. */
  readonly opaquePorts: readonly PortRange[];
  /** Where it answers DNS for the names of the mesh; null: nowhere. */
  readonly dnsListen: HostPort | null;
  /** Who it is, proven by its stream; null: it came without proof, and is sent configuration without mTLS. */
  readonly identity: SpiffeId | null;
}

const label = /^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/;
const maxIdLength = 253;
/** Each costs a listener, on the word of whoever connects. */
const maxUpstreams = 256;
/** Each costs some filter chains. */
const maxAppPorts = 100;

export interface ReadProxyOptions {
  readonly identity?: SpiffeId | null;
  /** Of the control plane; a proxy's own may only be tighter. Default: allow. */
  readonly egress?: Egress;
}

const interceptions = ['NONE', 'REDIRECT', 'TPROXY'] as const;
const egresses = ['allow', 'registry-only'] as const;

/** Every fault by field path; a stream with faults ends with INVALID_ARGUMENT and this text. That `node` agrees with the identity is checked by whoever knows it. */
export function readProxyNode(
  node: Node,
  { identity = null, egress = 'allow' }: ReadProxyOptions = {},
): { readonly proxy: ProxyNode } | { readonly faults: readonly string[] } {
  const faults: string[] = [];
  const metadata = node.metadata ?? {};
  const kind = clientKind(node.userAgentName);
  if (node.id === '' || node.id.length > maxIdLength)
    faults.push(
      `node.id: ${node.id === '' ? 'is missing; each process needs one of its own' : `is longer than ${maxIdLength} characters`}`,
    );
  const { namespace, service } = readCluster(node.cluster, kind, faults);
  const proxy: ProxyNode = {
    id: node.id,
    cluster: node.cluster,
    namespace,
    service,
    kind,
    appPort: readPort('app_port', own(metadata, 'app_port'), faults),
    appPorts: readPorts('app_ports', own(metadata, 'app_ports'), faults),
    outboundListen: readHostPort(
      'outbound_listen',
      own(metadata, 'outbound_listen'),
      { host: '127.0.0.1', port: 15_001 },
      faults,
    ),
    inboundListen: readHostPort(
      'inbound_listen',
      own(metadata, 'inbound_listen'),
      { host: '0.0.0.0', port: 15_006 },
      faults,
    ),
    upstreams: readUpstreams(own(metadata, 'upstreams'), faults),
    controlPlaneCluster: readText('control_plane_cluster', own(metadata, 'control_plane_cluster'), faults),
    zone: readText('zone', own(metadata, 'zone'), faults) || (node.locality?.zone ?? ''),
    labels: readLabels(own(metadata, 'labels'), faults),
    interception: readWord('interception', own(metadata, 'interception'), interceptions, faults) ?? 'NONE',
    ipFamilies: readFamilies(own(metadata, 'ip_families'), faults),
    egress:
      readWord('egress', own(metadata, 'egress'), egresses, faults) === 'registry-only' ? 'registry-only' : egress,
    opaquePorts: readPortRanges('node.metadata.opaque_ports', own(metadata, 'opaque_ports'), faults),
    dnsListen: readDnsListen(own(metadata, 'dns_listen'), faults),
    identity,
  };
  return faults.length > 0 ? { faults } : { proxy };
}

/** Proxies with the same key are sent the same resources. `labelKeys`: the labels that policies choose by. */
export function proxyKey(proxy: ProxyNode, labelKeys: readonly string[] = []): string {
  const { kind, namespace, service, appPort, outboundListen, inboundListen, upstreams, identity, controlPlaneCluster } =
    proxy;
  if (kind === 'grpc') return `grpc ${namespace}`;
  const labels = labelKeys.filter((key) => Object.hasOwn(proxy.labels, key)).map((key) => [key, proxy.labels[key]]);
  const addresses = upstreams.map(
    ({ namespace, service, port, listen }) => ` ${namespace}/${service}:${port}=${listen.host}:${listen.port}`,
  );
  const { interception, ipFamilies, egress, opaquePorts, appPorts, dnsListen } = proxy;
  const intercepted =
    interception === 'NONE'
      ? ''
      : ` ${JSON.stringify([interception, ipFamilies, egress, opaquePorts.map(({ start, end }) => [start, end]), appPorts])}`;
  const dns = dnsListen === null ? '' : ` dns ${dnsListen.host}:${dnsListen.port} ${ipFamilies.join()}`;
  return `${kind} ${namespace}/${service} ${appPort ?? '-'} ${outboundListen.host}:${outboundListen.port} ${inboundListen.host}:${inboundListen.port} ${identity?.text ?? '-'} ${JSON.stringify([labels, controlPlaneCluster])}${addresses.join('')}${intercepted}${dns}`;
}

function clientKind(userAgentName: string): ClientKind {
  if (userAgentName === 'outrigger') return 'outrigger';
  return userAgentName.startsWith('gRPC ') || userAgentName.startsWith('grpc') ? 'grpc' : 'envoy';
}

/** A gRPC application may leave the cluster out: it is then of namespace `default`. */
function readCluster(
  cluster: string,
  kind: ClientKind,
  faults: string[],
): { readonly namespace: string; readonly service: string } {
  if (cluster === '' && kind === 'grpc') return { namespace: 'default', service: '' };
  const [namespace = '', service = '', ...rest] = cluster.split('/');
  if (rest.length > 0 || !label.test(namespace) || !label.test(service)) {
    faults.push(
      `node.cluster: ${cluster === '' ? 'is missing' : `${JSON.stringify(cluster)} is not accepted`}; write it as namespace/service`,
    );
  }
  return { namespace, service };
}

function own(metadata: object, key: string): unknown {
  return Object.hasOwn(metadata, key) ? (metadata as Record<string, unknown>)[key] : undefined;
}

/** A number, or its digits: bootstraps written by hand have both. */
function readPort(name: string, value: unknown, faults: string[]): number | null {
  if (value === undefined || value === null || value === '') return null;
  const port = typeof value === 'string' && /^\d{1,5}$/.test(value) ? Number(value) : value;
  if (typeof port === 'number' && Number.isInteger(port) && port >= 1 && port <= 65_535) return port;
  faults.push(`node.metadata.${name}: ${JSON.stringify(value)} is not a port number from 1 to 65535`);
  return null;
}

/** A list, or as text with commas. */
function readPorts(name: string, value: unknown, faults: string[]): readonly number[] {
  if (value === undefined || value === null || value === '') return [];
  const items: readonly unknown[] = Array.isArray(value) ? value : [value];
  const words = items.flatMap((item) =>
    typeof item === 'string' ? item.split(',').map((word) => word.trim()) : [item],
  );
  if (words.length > maxAppPorts) {
    faults.push(`node.metadata.${name}: is more than ${maxAppPorts} ports`);
    return [];
  }
  const ports = words.flatMap((word) => readPort(name, word, faults) ?? []);
  return [...new Set(ports)].toSorted((a, b) => a - b);
}

function readHostPort(name: string, value: unknown, byDefault: HostPort, faults: string[]): HostPort {
  if (value === undefined || value === null || value === '') return byDefault;
  const match = typeof value === 'string' ? /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(value) : null;
  const host = match === null ? '' : (match[1] ?? match[2] ?? '');
  const port = Number(match?.[3]);
  if (match !== null && isIP(host) !== 0 && port <= 65_535) return { host, port };
  faults.push(
    `node.metadata.${name}: ${JSON.stringify(value)} is not an address; write it as 127.0.0.1:15001 or [::1]:15001`,
  );
  return byDefault;
}

/** `[{ service: namespace/name, port: N, listen: HOST:PORT }]`; `listen` is 127.0.0.1 and a free port unless it says otherwise. */
function readUpstreams(value: unknown, faults: string[]): readonly UpstreamAddress[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value) || value.length > maxUpstreams) {
    faults.push(`node.metadata.upstreams: is not a list of at most ${maxUpstreams}`);
    return [];
  }
  const upstreams: UpstreamAddress[] = [];
  const given = new Map<string, string>();
  for (const [index, item] of value.entries()) {
    const at = `upstreams[${index}]`;
    const fields: object = typeof item === 'object' && item !== null ? item : {};
    const name = own(fields, 'service');
    const [namespace = '', service = '', ...rest] = typeof name === 'string' ? name.split('/') : [];
    if (rest.length > 0 || !label.test(namespace) || !label.test(service))
      faults.push(
        `node.metadata.${at}.service: ${name === undefined ? 'is missing' : `${JSON.stringify(name)} is not accepted`}; write it as namespace/service`,
      );
    const before = faults.length;
    const port = readPort(`${at}.port`, own(fields, 'port'), faults);
    if (port === null && faults.length === before) faults.push(`node.metadata.${at}.port: is missing`);
    const listen = readHostPort(`${at}.listen`, own(fields, 'listen'), { host: '127.0.0.1', port: 0 }, faults);
    const keys = [`service ${namespace}/${service}:${port}`];
    if (listen.port !== 0) keys.push(`address ${listen.host}:${listen.port}`);
    for (const key of keys) {
      const other = given.get(key);
      if (other !== undefined) faults.push(`node.metadata.${at}: has the same ${key} as ${other}`);
      else given.set(key, at);
    }
    upstreams.push({ namespace, service, port: port ?? 0, listen });
  }
  return upstreams;
}

function readText(name: string, value: unknown, faults: string[]): string {
  if (value === undefined || value === null) return '';
  if (typeof value === 'string') return value;
  faults.push(`node.metadata.${name}: ${JSON.stringify(value)} is not text`);
  return '';
}

function readWord<Word extends string>(
  name: string,
  value: unknown,
  words: readonly Word[],
  faults: string[],
): Word | null {
  if (value === undefined || value === null || value === '') return null;
  const word = words.find((each) => each === value);
  if (word !== undefined) return word;
  faults.push(`node.metadata.${name}: ${JSON.stringify(value)} is not accepted; accepted: ${words.join(', ')}`);
  return null;
}

function readFamilies(value: unknown, faults: string[]): readonly IpFamily[] {
  if (value === undefined || value === null) return ['IPv4'];
  const families = (['IPv4', 'IPv6'] as const).filter((each) => Array.isArray(value) && value.includes(each));
  if (Array.isArray(value) && families.length > 0 && value.every((each) => families.includes(each as IpFamily)))
    return families;
  faults.push(`node.metadata.ip_families: ${JSON.stringify(value)} is not a list of IPv4, IPv6`);
  return ['IPv4'];
}

function readDnsListen(value: unknown, faults: string[]): HostPort | null {
  if (value === undefined || value === null || value === '') return null;
  const before = faults.length;
  const listen = readHostPort('dns_listen', value, { host: '127.0.0.1', port: 15_053 }, faults);
  return faults.length === before ? listen : null;
}

function readLabels(value: unknown, faults: string[]): Readonly<Record<string, string>> {
  const labels: Record<string, string> = Object.create(null);
  if (value === undefined || value === null) return labels;
  if (typeof value !== 'object' || Array.isArray(value)) {
    faults.push('node.metadata.labels: is not a map of text');
    return labels;
  }
  for (const [key, text] of Object.entries(value)) {
    if (typeof text === 'string') labels[key] = text;
    else faults.push(`node.metadata.labels[${JSON.stringify(key)}]: is not text`);
  }
  return labels;
}
