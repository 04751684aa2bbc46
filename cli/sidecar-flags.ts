/**
 * The flags of `outrigger sidecar`, both forms, and the bootstrap that the second form stands for. node:util parses them: a command line library
 * would weigh more than it gives in a process that is multiplied by every service.
 */
import { parseArgs } from 'node:util';
import { formatHostPort, parseHostPort, parseLabels, parseServiceName, parseWhole } from './host-port.ts';
import { parseUpstreams, type Upstream } from './upstream.ts';
import { UserError } from './user-error.ts';

export const sidecarHelp = `Usage: outrigger sidecar --bootstrap FILE
       outrigger sidecar --service NS/NAME --app-port N [--control-plane HOST:PORT]

Runs a sidecar: from an Envoy v3 bootstrap file (YAML or JSON), or as the sidecar of a service of the mesh.

  --bootstrap FILE             Envoy v3 bootstrap: static resources, ADS, admin, node
  --service NS/NAME            the service that the application is an instance of
  --app-port N                 where the application listens on 127.0.0.1; the instance is registered when it does
  --control-plane HOST:PORT    the control plane's gRPC port (default 127.0.0.1:15010)
  --outbound-listen HOST:PORT  the application's calls come here (default 127.0.0.1:15001)
  --inbound-listen HOST:PORT   other sidecars' calls come here (default 0.0.0.0:15006)
  --upstream NS/NAME:PORT[=N]  an address of its own for a service's port: 127.0.0.1:N, or a free port; may be given again
  --address HOST               where other sidecars reach this one (default: the host of --inbound-listen, or this machine's first address)
  --admin HOST:PORT            admin endpoint (default: the bootstrap's; with --service 127.0.0.1:15000)
  --listen-metrics HOST:PORT   /metrics and /healthz for scrapers and probes (with --service default 0.0.0.0:15020; "off" for none)
  --labels K=V,…               labels of this instance, as version=v2
  --zone ZONE                  locality of this instance
  --node-id ID                 default: <service>.<namespace>-<host>-<pid>
  --xds sotw|delta             which xDS variant to speak (default delta)
  --no-register                do not register the instance with the control plane
  --concurrency N              event loops; only 1 is built yet
  --drain-time SECONDS         how long requests in hand may take after SIGTERM (default 45)
  --log-level LEVEL            trace, debug, info, warn, error, off (default info)

Every flag has an environment variable OUTRIGGER_<FLAG>; a flag wins.

Example:
  outrigger sidecar --bootstrap envoy.yaml
  outrigger sidecar --service shop/orders --app-port 8080
`;

const stringFlags = [
  'bootstrap',
  'service',
  'app-port',
  'control-plane',
  'outbound-listen',
  'inbound-listen',
  'upstream',
  'address',
  'admin',
  'listen-metrics',
  'labels',
  'zone',
  'node-id',
  'xds',
  'concurrency',
  'drain-time',
  'log-level',
] as const;

type FlagName = (typeof stringFlags)[number];

export interface SidecarFlags {
  readonly help: boolean;
  readonly noRegister: boolean;
  readonly values: Readonly<Partial<Record<FlagName, string>>>;
}

/** Parses the words after `sidecar`, with the environment behind them. Throws a UserError for wrong usage. */
export function parseSidecarFlags(words: readonly string[], environment: NodeJS.ProcessEnv): SidecarFlags {
  let parsed: { values: Record<string, string | boolean | readonly (string | boolean)[] | undefined> };
  try {
    parsed = parseArgs({
      args: [...words],
      options: {
        help: { type: 'boolean', short: 'h' },
        'no-register': { type: 'boolean' },
        ...Object.fromEntries(
          stringFlags.map((name) => [name, { type: 'string' as const, multiple: name === 'upstream' }]),
        ),
      },
      strict: true,
      allowPositionals: false,
    });
  } catch (error) {
    throw new UserError(
      `sidecar: ${(error as Error).message.split('. ')[0]!}; outrigger sidecar --help lists the flags`,
      2,
    );
  }
  const values: Partial<Record<FlagName, string>> = {};
  for (const name of stringFlags) {
    const given = parsed.values[name] ?? environment[`OUTRIGGER_${name.toUpperCase().replaceAll('-', '_')}`];
    // Several values are kept as the environment variable has them: with commas.
    const value = Array.isArray(given) ? given.join(',') : given;
    if (typeof value === 'string') values[name] = value;
  }
  const flags = {
    help: parsed.values['help'] === true,
    noRegister: parsed.values['no-register'] === true || environment['OUTRIGGER_NO_REGISTER'] === 'true',
    values,
  };
  if (!flags.help) checkFlags(values);
  return flags;
}

function checkFlags(values: Partial<Record<FlagName, string>>): void {
  if (values.bootstrap === undefined && values.service === undefined) {
    throw new UserError('sidecar needs --bootstrap FILE, or --service NS/NAME with --app-port N', 2);
  }
  if (values.bootstrap !== undefined && values.service !== undefined)
    throw new UserError('sidecar takes --bootstrap or --service, not both', 2);
  if (values.upstream !== undefined && values.service === undefined)
    throw new UserError('--upstream needs --service; with --bootstrap, node.metadata.upstreams says it', 2);
  if (values.service !== undefined && values['app-port'] === undefined) {
    throw new UserError('sidecar --service needs --app-port N: the port that the application listens on', 2);
  }
  if (values.concurrency !== undefined && parseWhole('--concurrency', values.concurrency, 1, 256) !== 1) {
    throw new UserError('--concurrency above 1 is not built yet; run it with 1', 2);
  }
  if (values.xds !== undefined && values.xds !== 'sotw' && values.xds !== 'delta') {
    throw new UserError(`--xds: ${JSON.stringify(values.xds)} is not sotw or delta`, 2);
  }
}

function upstreamsOf(values: SidecarFlags['values'], ownNamespace: string): readonly Upstream[] {
  const texts = values.upstream === undefined || values.upstream === '' ? [] : values.upstream.split(',');
  return parseUpstreams(texts, ownNamespace);
}

/** The Envoy v3 bootstrap (proto JSON) that `--service` stands for. */
export function serviceBootstrap(flags: SidecarFlags, nodeId: string): unknown {
  const { values } = flags;
  const { namespace, name } = parseServiceName('--service', values.service!);
  const controlPlane = parseHostPort('--control-plane', values['control-plane'] ?? '127.0.0.1:15010');
  const admin = parseHostPort('--admin', values.admin ?? '127.0.0.1:15000');
  const upstreams = upstreamsOf(values, namespace).map(({ namespace, name, port, localPort }) => ({
    service: `${namespace}/${name}`,
    port,
    listen: formatHostPort({ host: '127.0.0.1', port: localPort }),
  }));
  const socketAddress = (address: { host: string; port: number }): unknown => ({
    socket_address: { address: address.host, port_value: address.port },
  });
  return {
    node: {
      id: nodeId,
      cluster: `${namespace}/${name}`,
      ...(values.zone === undefined ? {} : { locality: { zone: values.zone } }),
      metadata: {
        app_port: parseWhole('--app-port', values['app-port']!, 1, 65535),
        outbound_listen: formatHostPort(
          parseHostPort('--outbound-listen', values['outbound-listen'] ?? '127.0.0.1:15001'),
        ),
        inbound_listen: formatHostPort(parseHostPort('--inbound-listen', values['inbound-listen'] ?? '0.0.0.0:15006')),
        interception: 'NONE',
        ...(upstreams.length === 0 ? {} : { upstreams }),
        ...(values.labels === undefined ? {} : { labels: { ...parseLabels('--labels', values.labels) } }),
        ...(values.zone === undefined ? {} : { zone: values.zone }),
      },
    },
    admin: { address: socketAddress(admin) },
    static_resources: {
      clusters: [
        {
          name: controlPlaneCluster,
          type: 'STATIC',
          connect_timeout: '1s',
          load_assignment: {
            cluster_name: controlPlaneCluster,
            endpoints: [{ lb_endpoints: [{ endpoint: { address: socketAddress(controlPlane) } }] }],
          },
          typed_extension_protocol_options: {
            'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
              '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
              explicit_http_config: {
                http2_protocol_options: { connection_keepalive: { interval: '30s', timeout: '10s' } },
              },
            },
          },
        },
      ],
    },
    dynamic_resources: {
      ads_config: {
        api_type: values.xds === 'sotw' ? 'GRPC' : 'DELTA_GRPC',
        transport_api_version: 'V3',
        grpc_services: [{ envoy_grpc: { cluster_name: controlPlaneCluster } }],
      },
      lds_config: { ads: {}, resource_api_version: 'V3' },
      cds_config: { ads: {}, resource_api_version: 'V3' },
    },
  };
}

/** Static cluster that leads to the control plane in the second form. */
export const controlPlaneCluster = 'outrigger-control-plane';
