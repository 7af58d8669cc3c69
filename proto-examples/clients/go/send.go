// Sends 10,000 samples to a StatsD server: go run send.go [HOST [PORT]]
package main

import (
	"fmt"
	"log"
	"net"
	"os"
	"time"
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
	statsd, err := net.Dial("udp", address)
	if err != nil {
		log.Fatal(err)
	}
	for i := 1; i <= 1250; i++ {
		// A failed send is ignored: it must not disturb what is being measured.
		fmt.Fprintf(statsd, "client.requests:1|c|#route:%s,method:%s\nclient.bytes:%d|c\n"+
			"client.queue_depth:%d|g\nclient.queue_depth:-3|g\nclient.request_time:%d|ms\n"+
			"client.job_seconds:0.75|h|@0.25\nclient.response_size:%d|d\nclient.users:u%d|s",
			"/orders", "GET", i, i, i%4*250, i%8, i%100)
		if i%10 == 0 {
			time.Sleep(10 * time.Millisecond) // UDP has no brake but the sender's
		}
	}
}
