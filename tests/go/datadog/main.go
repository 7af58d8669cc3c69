// Sends with the official Go client of DogStatsD, over each of the addresses given as arguments, in each mode: 1,000 rounds of ten calls.
//
// tests/clients/official.rs says what must arrive. When all is sent it prints "sent" and waits for a line on stdin, while the client
// reports on itself. Then it closes the clients, and prints for each address and mode what the client counted. `paced` does less.
package main

import (
	"bufio"
	"fmt"
	"log"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/DataDog/datadog-go/v5/statsd"
)

const rounds = 1000

// What a mode adds to the options that all modes have.
var modes = []struct {
	name    string
	options []statsd.Option
}{
	{"plain", []statsd.Option{statsd.WithoutClientSideAggregation()}},
	{"basic", []statsd.Option{statsd.WithClientSideAggregation()}},
	{"extended", []statsd.Option{statsd.WithExtendedClientSideAggregation()}},
	{"channel", []statsd.Option{statsd.WithoutClientSideAggregation(), statsd.WithChannelMode()}},
	{"extended-channel", []statsd.Option{statsd.WithExtendedClientSideAggregation(), statsd.WithChannelMode(), statsd.WithChannelModeBufferSize(3 * rounds)}},
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// A client whose every series has its transport and mode as tags.
func open(address, mode string, options []statsd.Option) *statsd.ClientDirect {
	transport, _, isUnix := strings.Cut(address, "://")
	if !isUnix {
		transport = "udp"
	}
	all := append([]statsd.Option{
		statsd.WithNamespace("go."),
		statsd.WithTags([]string{"mode:" + mode, "transport:" + transport}),
		statsd.WithContainerID("ci-0123456789abcdef"),
		statsd.WithErrorHandler(func(err error) { log.Fatalf("%s over %s: %v", mode, transport, err) }),
		// A receiver that a busy machine holds up loses nothing. The default of 100 ms drops what it does not take in time.
		statsd.WithWriteTimeout(time.Minute),
	}, options...)
	client, err := statsd.NewDirect(address, all...)
	check(err)
	return client
}

func send(client *statsd.ClientDirect) {
	tags := []string{"code:200", "path:/a:b", "canary"}
	for i := 0; i < rounds; i++ {
		check(client.Incr("requests", tags, 1))
		check(client.Count("bytes", int64(i), nil, 1))
		check(client.Count("sampled", 1, nil, 0.25))
		check(client.Gauge("level", 499.5-float64(i), nil, 1))
		check(client.Histogram("size", float64(i%20)*0.5, tags, 1))
		check(client.Distribution("spread", float64(i%4), nil, 1))
		check(client.Timing("took", time.Duration(i%100)*time.Millisecond, nil, 1))
		check(client.Set("users", "user:"+strconv.Itoa(i%50), nil, 1))
		check(client.GaugeWithTimestamp("timed", float64(i), tags, 1, time.Unix(1700000000+int64(i), 0)))
		// The samples of ten rounds at once, taken one in two by the caller.
		if i%10 == 9 {
			check(client.DistributionSamples("direct", []float64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, nil, 0.5))
			at := time.Unix(1700000000, 0)
			check(client.Event(&statsd.Event{
				Title: "größe", Text: "text\nof two lines|with a pipe", Timestamp: at, Hostname: "web", AggregationKey: "key",
				Priority: statsd.Low, SourceTypeName: "go", AlertType: statsd.Error, Tags: tags,
			}))
			check(client.ServiceCheck(&statsd.ServiceCheck{
				Name: "check", Status: statsd.Critical, Timestamp: at, Hostname: "web", Message: "m: two\nlines", Tags: tags,
			}))
		}
	}
	check(client.Flush())
}

// Sends calls one after another to ADDRESS, each in a datagram or frame of its own: `paced ADDRESS CALLS PAUSE_MS [NAME]`. In the end it
// prints what the client counted: calls, datagrams or frames sent, and dropped.
func paced(address string, calls, pauseMs int, name string) {
	client, err := statsd.NewDirect(address, statsd.WithoutClientSideAggregation(), statsd.WithMaxMessagesPerPayload(1),
		statsd.WithWriteTimeout(time.Minute))
	check(err)
	for i := 0; i < calls; i++ {
		check(client.Incr(name, nil, 1))
		time.Sleep(time.Duration(pauseMs) * time.Millisecond)
	}
	check(client.Close())
	counted := client.GetTelemetry()
	fmt.Println(counted.TotalMetrics, counted.TotalPayloadsSent, counted.TotalPayloadsDropped)
}

func main() {
	if len(os.Args) >= 5 && os.Args[1] == "paced" {
		calls, err := strconv.Atoi(os.Args[3])
		check(err)
		pause, err := strconv.Atoi(os.Args[4])
		check(err)
		paced(os.Args[2], calls, pause, append(os.Args, "paced")[5])
		return
	}
	type sender struct {
		name   string
		client *statsd.ClientDirect
	}
	var senders []sender
	for _, address := range os.Args[1:] {
		for _, mode := range modes {
			client := open(address, mode.name, mode.options)
			send(client)
			senders = append(senders, sender{address + " " + mode.name, client})
		}
	}
	fmt.Println("sent")
	_, err := bufio.NewReader(os.Stdin).ReadString('\n')
	check(err)
	for _, sender := range senders {
		check(sender.client.Close())
		counted := sender.client.GetTelemetry()
		fmt.Println(sender.name, counted.TotalMetrics, counted.TotalPayloadsSent, counted.TotalPayloadsDropped, counted.TotalDroppedOnReceive)
	}
}
