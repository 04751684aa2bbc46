// backend answers what the benchmark and the tests send through the proxies: HTTP/1.1 and HTTP/2 (prior knowledge) on one port, gRPC on another.
// It is fast and simple, and the same for every proxy; it measures nothing.
//
//	GET  /bytes/N      N bytes
//	POST /sink         reads the whole body, answers its length
//	*    /headers      the request as JSON: method, path, host, headers, protocol, and this instance's name
//	*    /delay/MS     as /headers, after MS milliseconds
//	*    /status/N     as /headers, with status N
//	*    anything else as /headers
//
// gRPC is grpc.testing.TestService (unary and all kinds of streaming) with health and reflection; EmptyCall answers x-forwarded-client-cert as
// x-seen-client-cert. It ends when its standard input does.
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
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	testing "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection"
)

const maxBytes = 1 << 30

var block = make([]byte, 64<<10)

type echo struct {
	Instance string              `json:"instance"`
	Method   string              `json:"method"`
	Path     string              `json:"path"`
	Host     string              `json:"host"`
	Protocol string              `json:"protocol"`
	Headers  map[string][]string `json:"headers"`
	Bytes    int64               `json:"bytes"`
}

func sendBytes(w http.ResponseWriter, n int) {
	w.Header().Set("content-type", "application/octet-stream")
	w.Header().Set("content-length", strconv.Itoa(n))
	for n > 0 {
		size := min(n, len(block))
		if _, err := w.Write(block[:size]); err != nil {
			return
		}
		n -= size
	}
}

func handler(instance string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		parts := strings.Split(r.URL.Path, "/")
		status := http.StatusOK
		number := 0
		if len(parts) > 2 {
			number, _ = strconv.Atoi(parts[2])
		}
		switch parts[1] {
		case "bytes":
			if number < 0 || number > maxBytes {
				http.Error(w, "bytes: 0 to 1 GiB", http.StatusBadRequest)
				return
			}
			sendBytes(w, number)
			return
		case "sink":
			n, err := io.Copy(io.Discard, r.Body)
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			w.Header().Set("content-type", "text/plain")
			_, _ = fmt.Fprintf(w, "%d\n", n)
			return
		case "delay":
			select {
			case <-time.After(time.Duration(number) * time.Millisecond):
			case <-r.Context().Done():
				return
			}
		case "status":
			status = number
		}
		n, _ := io.Copy(io.Discard, r.Body)
		w.Header().Set("content-type", "application/json")
		w.Header().Set("x-instance", instance)
		w.Header().Set("x-powered-by", "backend")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(echo{instance, r.Method, r.URL.RequestURI(), r.Host, r.Proto, r.Header, n})
	}
}

type testService struct {
	testing.UnimplementedTestServiceServer
}

func payload(n int32) *testing.Payload {
	if n < 0 || int(n) > len(block) {
		n = int32(len(block))
	}
	return &testing.Payload{Body: block[:n]}
}

// EmptyCall tells the caller who it was said to be, as the echo of HTTP does.
func (testService) EmptyCall(ctx context.Context, _ *testing.Empty) (*testing.Empty, error) {
	incoming, _ := metadata.FromIncomingContext(ctx)
	for _, certificate := range incoming.Get("x-forwarded-client-cert") {
		_ = grpc.SetHeader(ctx, metadata.Pairs("x-seen-client-cert", certificate))
	}
	return &testing.Empty{}, nil
}

func (testService) UnaryCall(_ context.Context, in *testing.SimpleRequest) (*testing.SimpleResponse, error) {
	return &testing.SimpleResponse{Payload: payload(in.GetResponseSize())}, nil
}

func (testService) StreamingOutputCall(in *testing.StreamingOutputCallRequest, stream testing.TestService_StreamingOutputCallServer) error {
	for _, p := range in.GetResponseParameters() {
		if err := stream.Send(&testing.StreamingOutputCallResponse{Payload: payload(p.GetSize())}); err != nil {
			return err
		}
	}
	return nil
}

func (testService) FullDuplexCall(stream testing.TestService_FullDuplexCallServer) error {
	for {
		in, err := stream.Recv()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		for _, p := range in.GetResponseParameters() {
			if err := stream.Send(&testing.StreamingOutputCallResponse{Payload: payload(p.GetSize())}); err != nil {
				return err
			}
		}
	}
}

func main() {
	httpListen := flag.String("http", "127.0.0.1:0", "HOST:PORT for HTTP/1.1 and HTTP/2")
	grpcListen := flag.String("grpc", "127.0.0.1:0", "HOST:PORT for gRPC")
	instance := flag.String("instance", "backend", "name in x-instance and in the echo")
	flag.Parse()
	for i := range block {
		block[i] = 'a'
	}
	httpSocket, err := net.Listen("tcp", *httpListen)
	if err != nil {
		log.Fatalf("backend: %v", err)
	}
	grpcSocket, err := net.Listen("tcp", *grpcListen)
	if err != nil {
		log.Fatalf("backend: %v", err)
	}
	protocols := &http.Protocols{}
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	web := &http.Server{Handler: handler(*instance), Protocols: protocols}
	grpcServer := grpc.NewServer()
	testing.RegisterTestServiceServer(grpcServer, testService{})
	grpc_health_v1.RegisterHealthServer(grpcServer, health.NewServer())
	reflection.Register(grpcServer)
	go func() { log.Fatal(web.Serve(httpSocket)) }()
	go func() { log.Fatal(grpcServer.Serve(grpcSocket)) }()
	fmt.Printf("{\"http\":%q,\"grpc\":%q}\n", httpSocket.Addr(), grpcSocket.Addr())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
