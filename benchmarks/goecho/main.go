// Command goecho answers every call of /bench.Echo/Unary with the bytes it brought: what grpc-go itself costs.
package main

import (
	"context"
	"fmt"
	"net"
	"os"

	"google.golang.org/grpc"
	"google.golang.org/grpc/mem"
)

// message is the encoded message: nobody looks into it.
type message struct {
	body mem.BufferSlice
}

// passing is a codec that hands bytes through.
type passing struct{}

func (passing) Name() string { return "proto" }

func (passing) Marshal(value any) (mem.BufferSlice, error) {
	return value.(*message).body, nil
}

func (passing) Unmarshal(body mem.BufferSlice, value any) error {
	body.Ref()
	value.(*message).body = body
	return nil
}

func echo(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	request := &message{}
	err := decode(request)
	return request, err
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	server := grpc.NewServer(grpc.ForceServerCodecV2(passing{}))
	method := grpc.MethodDesc{MethodName: "Unary", Handler: echo}
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "bench.Echo",
		HandlerType: (*any)(nil),
		Methods:     []grpc.MethodDesc{method},
	}, nil)
	fmt.Fprintf(os.Stderr, "serving on %s\n", listener.Addr())
	panic(server.Serve(listener))
}
