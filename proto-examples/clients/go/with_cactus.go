// The same load with github.com/cactus/go-statsd-client: go run with_cactus.go [HOST [PORT]]
package main

import (
	"fmt"
	"log"
	"net"
	"os"
	"time"

	"github.com/cactus/go-statsd-client/statsd"
)

func argument(n int, name, otherwise string) string {
	if len(os.Args) > n {
		return os.Args[n]
	}
	if set := os.Getenv(name); set != "" {
		return set
	}
	return otherwise
}

func main() {
	address := net.JoinHostPort(argument(1, "STATSD_HOST", "127.0.0.1"), argument(2, "STATSD_PORT", "9125"))
	client, err := statsd.NewClientWithConfig(&statsd.ClientConfig{Address: address})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	for i := int64(1); i <= 2000; i++ {
		client.Inc("client.requests", 1, 1, statsd.Tag{"route", "/orders"}, statsd.Tag{"method", "GET"})
		client.Gauge("client.queue_depth", i, 1)
		client.GaugeDelta("client.queue_depth", -3, 1)
		client.Timing("client.request_time", i%4*250, 1)
		client.Set("client.users", fmt.Sprintf("u%d", i%100), 1)
		if i%10 == 0 {
			time.Sleep(10 * time.Millisecond)
		}
	}
}
