// xds-server is another control plane for our sidecar: go-control-plane's own server and snapshot cache, driven over HTTP. It knows nothing
// of services; a test hands it resources as proto JSON and reads back what every client answered (ACK, NACK and why).
//
//	PUT    /snapshot       {"version":"1","listeners":[…],"routes":[…],"clusters":[…],"endpoints":[…],"secrets":[…]}: serve this to every node
//	DELETE /snapshot       serve nothing
//	GET    /events?after=N the requests and stream ends seen since N, oldest first
//
// It ends when its standard input does, so that a test that died leaves nothing behind.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"

	accesslog "github.com/envoyproxy/go-control-plane/envoy/config/accesslog/v3"
	cluster "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpoint "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listener "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	filelog "github.com/envoyproxy/go-control-plane/envoy/extensions/access_loggers/file/v3"
	lua "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/lua/v3"
	router "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	hcm "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	tcp "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/tcp_proxy/v3"
	tls "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	upstreamhttp "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	"github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"github.com/envoyproxy/go-control-plane/pkg/server/v3"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// What typed_config may hold: proto JSON can only read an Any whose type is linked in.
var _ = []proto.Message{&accesslog.AccessLog{}, &filelog.FileAccessLog{}, &lua.Lua{}, &router.Router{}, &hcm.HttpConnectionManager{}, &tcp.TcpProxy{}, &tls.UpstreamTlsContext{}, &upstreamhttp.HttpProtocolOptions{}}

// Every node is served the same.
type oneNode struct{}

func (oneNode) ID(*core.Node) string { return "all" }

type event struct {
	Seq       int      `json:"seq"`
	Stream    int64    `json:"stream"`
	Variant   string   `json:"variant"` // sotw or delta
	Kind      string   `json:"kind"`    // open, subscribe, ack, nack, closed
	Node      string   `json:"node,omitempty"`
	UserAgent string   `json:"userAgent,omitempty"`
	TypeURL   string   `json:"typeUrl,omitempty"`
	Version   string   `json:"version,omitempty"`
	Nonce     string   `json:"nonce,omitempty"`
	Names     []string `json:"names,omitempty"`
	Error     string   `json:"error,omitempty"`
}

type journal struct {
	mutex  sync.Mutex
	events []event
}

func (j *journal) add(e event) {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	e.Seq = len(j.events) + 1
	j.events = append(j.events, e)
}

func (j *journal) after(seq int) []event {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	if seq < 0 || seq > len(j.events) {
		return []event{}
	}
	return append([]event{}, j.events[seq:]...)
}

func kindOf(nonce, problem string) string {
	if problem != "" {
		return "nack"
	}
	if nonce != "" {
		return "ack"
	}
	return "subscribe"
}

func (j *journal) callbacks() server.Callbacks {
	return server.CallbackFuncs{
		StreamOpenFunc: func(_ context.Context, id int64, _ string) error {
			j.add(event{Stream: id, Variant: "sotw", Kind: "open"})
			return nil
		},
		StreamClosedFunc: func(id int64, node *core.Node) {
			j.add(event{Stream: id, Variant: "sotw", Kind: "closed", Node: node.GetId()})
		},
		StreamRequestFunc: func(id int64, r *discovery.DiscoveryRequest) error {
			problem := r.GetErrorDetail().GetMessage()
			if r.GetErrorDetail() != nil && problem == "" {
				problem = "(no message)"
			}
			j.add(event{Stream: id, Variant: "sotw", Kind: kindOf(r.GetResponseNonce(), problem), Node: r.GetNode().GetId(), UserAgent: r.GetNode().GetUserAgentName(),
				TypeURL: r.GetTypeUrl(), Version: r.GetVersionInfo(), Nonce: r.GetResponseNonce(), Names: r.GetResourceNames(), Error: problem})
			return nil
		},
		DeltaStreamOpenFunc: func(_ context.Context, id int64, _ string) error {
			j.add(event{Stream: id, Variant: "delta", Kind: "open"})
			return nil
		},
		DeltaStreamClosedFunc: func(id int64, node *core.Node) {
			j.add(event{Stream: id, Variant: "delta", Kind: "closed", Node: node.GetId()})
		},
		StreamDeltaRequestFunc: func(id int64, r *discovery.DeltaDiscoveryRequest) error {
			problem := r.GetErrorDetail().GetMessage()
			if r.GetErrorDetail() != nil && problem == "" {
				problem = "(no message)"
			}
			j.add(event{Stream: id, Variant: "delta", Kind: kindOf(r.GetResponseNonce(), problem), Node: r.GetNode().GetId(), UserAgent: r.GetNode().GetUserAgentName(),
				TypeURL: r.GetTypeUrl(), Nonce: r.GetResponseNonce(), Names: r.GetResourceNamesSubscribe(), Error: problem})
			return nil
		},
	}
}

type snapshotBody struct {
	Version   string            `json:"version"`
	Listeners []json.RawMessage `json:"listeners"`
	Routes    []json.RawMessage `json:"routes"`
	Clusters  []json.RawMessage `json:"clusters"`
	Endpoints []json.RawMessage `json:"endpoints"`
	Secrets   []json.RawMessage `json:"secrets"`
}

func decode(what string, raws []json.RawMessage, fresh func() proto.Message) ([]types.Resource, error) {
	resources := make([]types.Resource, 0, len(raws))
	for i, raw := range raws {
		message := fresh()
		if err := protojson.Unmarshal(raw, message); err != nil {
			return nil, fmt.Errorf("%s[%d]: %w", what, i, err)
		}
		resources = append(resources, message)
	}
	return resources, nil
}

func readSnapshot(body io.Reader) (*cache.Snapshot, error) {
	var parsed snapshotBody
	if err := json.NewDecoder(body).Decode(&parsed); err != nil {
		return nil, err
	}
	resources := map[resource.Type][]types.Resource{}
	for _, part := range []struct {
		what    string
		typeURL resource.Type
		raws    []json.RawMessage
		fresh   func() proto.Message
	}{
		{"listeners", resource.ListenerType, parsed.Listeners, func() proto.Message { return &listener.Listener{} }},
		{"routes", resource.RouteType, parsed.Routes, func() proto.Message { return &route.RouteConfiguration{} }},
		{"clusters", resource.ClusterType, parsed.Clusters, func() proto.Message { return &cluster.Cluster{} }},
		{"endpoints", resource.EndpointType, parsed.Endpoints, func() proto.Message { return &endpoint.ClusterLoadAssignment{} }},
		{"secrets", resource.SecretType, parsed.Secrets, func() proto.Message { return &tls.Secret{} }},
	} {
		list, err := decode(part.what, part.raws, part.fresh)
		if err != nil {
			return nil, err
		}
		resources[part.typeURL] = list
	}
	return cache.NewSnapshot(parsed.Version, resources)
}

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "HOST:PORT for xDS (ADS, state of the world and delta)")
	admin := flag.String("admin", "127.0.0.1:0", "HOST:PORT for commands")
	flag.Parse()

	snapshots := cache.NewSnapshotCache(true, oneNode{}, nil)
	seen := &journal{}
	xds := server.NewServer(context.Background(), snapshots, seen.callbacks())
	grpcServer := grpc.NewServer()
	discovery.RegisterAggregatedDiscoveryServiceServer(grpcServer, xds)
	xdsSocket, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatalf("xds-server: %v", err)
	}
	adminSocket, err := net.Listen("tcp", *admin)
	if err != nil {
		log.Fatalf("xds-server: %v", err)
	}

	http.HandleFunc("PUT /snapshot", func(w http.ResponseWriter, r *http.Request) {
		snapshot, err := readSnapshot(r.Body)
		if err == nil {
			err = snapshots.SetSnapshot(r.Context(), "all", snapshot)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
	})
	http.HandleFunc("DELETE /snapshot", func(http.ResponseWriter, *http.Request) { snapshots.ClearSnapshot("all") })
	http.HandleFunc("GET /events", func(w http.ResponseWriter, r *http.Request) {
		after, _ := strconv.Atoi(r.URL.Query().Get("after"))
		_ = json.NewEncoder(w).Encode(seen.after(after))
	})
	go func() { log.Fatal(http.Serve(adminSocket, nil)) }()
	go func() { log.Fatal(grpcServer.Serve(xdsSocket)) }()
	fmt.Printf("{\"xds\":%q,\"admin\":%q}\n", xdsSocket.Addr(), adminSocket.Addr())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
