import com.timgroup.statsd.DirectStatsDClient;
import com.timgroup.statsd.Event;
import com.timgroup.statsd.NonBlockingStatsDClientBuilder;
import com.timgroup.statsd.ServiceCheck;
import com.timgroup.statsd.TagsCardinality;
import java.util.ArrayList;
import java.util.List;

/**
 * Sends with the official Java client of DogStatsD, to HOST PORT and to a Unix datagram socket, in each mode: 1,000 rounds of ten calls.
 *
 * tests/clients/official.rs says what must arrive. When all is sent it prints "sent" and waits for a line on stdin, while the clients
 * report on themselves.
 */
final class Dogstatsd {
    private static final int ROUNDS = 1000;
    private static final String[] MODES = {"plain", "blocking", "aggregated"};

    private static NonBlockingStatsDClientBuilder builder(String mode) {
        NonBlockingStatsDClientBuilder builder = new NonBlockingStatsDClientBuilder()
                .prefix("java")
                .containerID("ci-0123456789abcdef")
                .entityID("pod-1")
                .tagsCardinality(TagsCardinality.HIGH)
                .enableAggregation(mode.equals("aggregated"))
                .aggregationFlushInterval(500)
                .telemetryFlushInterval(500)
                // A receiver that a busy machine holds up loses nothing. The default of 100 ms drops what it does not take in time.
                .timeout(60_000)
                .errorHandler(error -> {
                    error.printStackTrace();
                    System.exit(1);
                });
        // Without blocking, a full queue drops samples. This one holds all.
        return mode.equals("blocking") ? builder.blocking(true) : builder.queueSize(32 * 1024);
    }

    private static void send(DirectStatsDClient client) {
        String[] tags = {"code:200", "path:/a:b", "canary"};
        for (int i = 0; i < ROUNDS; i++) {
            client.increment("requests", tags);
            client.count("bytes", i * 0.5);
            client.increment("sampled", 0.25);
            client.gauge("level", 499.5 - i);
            client.histogram("size", i % 20 * 0.5, tags);
            client.distribution("spread", i % 4);
            client.time("took", i % 100);
            client.recordSetValue("users", "user:" + i % 50);
            client.gaugeWithTimestamp("timed", i, 1700000000L + i, tags);
            // The samples of ten rounds at once, taken one in two by the caller.
            if (i % 10 == 9) {
                client.recordDistributionValues("direct", new long[] {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, 0.5);
                client.recordEvent(Event.builder().withTitle("gr\u00f6\u00dfe").withText("text\nof two lines|with a pipe").withDate(1700000000000L)
                        .withHostname("web").withAggregationKey("key").withPriority(Event.Priority.LOW).withSourceTypeName("java")
                        .withAlertType(Event.AlertType.ERROR).build(), tags);
                client.serviceCheck(ServiceCheck.builder().withName("check").withStatus(ServiceCheck.Status.CRITICAL)
                        .withTimestamp(1700000000).withHostname("web").withMessage("m: two\nlines").withTags(tags).build());
            }
        }
    }

    public static void main(String[] arguments) throws Exception {
        List<DirectStatsDClient> clients = new ArrayList<>();
        for (String mode : MODES) {
            clients.add(builder(mode).constantTags("mode:" + mode, "transport:udp")
                    .hostname(arguments[0]).port(Integer.parseInt(arguments[1])).buildDirectStatsDClient());
            clients.add(builder(mode).constantTags("mode:" + mode, "transport:unixgram")
                    .address("unixgram://" + arguments[2]).buildDirectStatsDClient());
        }
        clients.forEach(Dogstatsd::send);
        System.out.println("sent");
        System.in.read();
        clients.forEach(DirectStatsDClient::close);
    }
}
