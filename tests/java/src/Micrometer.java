import io.micrometer.core.instrument.Clock;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.DistributionSummary;
import io.micrometer.core.instrument.FunctionCounter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.LongTaskTimer;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Tags;
import io.micrometer.core.instrument.Timer;
import io.micrometer.statsd.StatsdConfig;
import io.micrometer.statsd.StatsdFlavor;
import io.micrometer.statsd.StatsdMeterRegistry;
import io.micrometer.statsd.StatsdProtocol;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Sends with Micrometer's StatsD registry, in each flavour over each protocol, to HOST PORT and to a Unix datagram socket: 2,000 rounds of
 * five calls.
 *
 * tests/clients/micrometer.rs says what must arrive. The program prints a line before it sends and after every 100 rounds, and waits for a
 * line on stdin, so that the kernel never holds many datagrams.
 */
final class Micrometer {
    private static final int ROUNDS = 2000;

    /** The meters of one registry. */
    private static final class Meters {
        private final MeterRegistry registry;
        private final AtomicInteger depth = new AtomicInteger();
        private final AtomicInteger calls = new AtomicInteger();
        private final Counter orders;
        private final Timer wait;
        private final Timer slow;
        private final DistributionSummary size;
        private final DistributionSummary spread;

        Meters(MeterRegistry registry, StatsdFlavor flavor, StatsdProtocol protocol) {
            this.registry = registry;
            Tags tags = Tags.of("flavor", flavor.name().toLowerCase(Locale.ROOT), "protocol", protocol.name().toLowerCase(Locale.ROOT));
            registry.config().commonTags(tags);
            orders = registry.counter("mm.orders.placed", "path", "/a:b c=d");
            wait = Timer.builder("mm.wait").serviceLevelObjectives(Duration.ofMillis(100)).register(registry);
            slow = Timer.builder("mm.slow").publishPercentileHistogram().register(registry);
            size = DistributionSummary.builder("mm.size").register(registry);
            spread = DistributionSummary.builder("mm.spread").publishPercentileHistogram().minimumExpectedValue(1.0)
                    .maximumExpectedValue(4.0).register(registry);
            Gauge.builder("mm.queue.depth", depth, AtomicInteger::get).register(registry);
            FunctionCounter.builder("mm.calls", calls, AtomicInteger::get).register(registry);
            LongTaskTimer.builder("mm.task").register(registry).start();
        }

        void round(int i) {
            orders.increment(2);
            wait.record(i % 200, TimeUnit.MILLISECONDS);
            slow.record(1500, TimeUnit.MICROSECONDS);
            size.record(i % 20 * 0.5);
            spread.record(i % 4);
            depth.set(i - 5000);
            calls.incrementAndGet();
        }
    }

    private static StatsdConfig config(StatsdFlavor flavor, StatsdProtocol protocol, String[] arguments) {
        boolean isSocket = protocol == StatsdProtocol.UDS_DATAGRAM;
        return new StatsdConfig() {
            @Override
            public String get(String key) {
                return null;
            }

            @Override
            public StatsdFlavor flavor() {
                return flavor;
            }

            @Override
            public StatsdProtocol protocol() {
                return protocol;
            }

            @Override
            public String host() {
                return arguments[isSocket ? 2 : 0];
            }

            @Override
            public int port() {
                return Integer.parseInt(arguments[1]);
            }

            /** Of gauges, and of what is buffered. */
            @Override
            public Duration pollingFrequency() {
                return Duration.ofMillis(200);
            }
        };
    }

    private static void pause(String line) throws Exception {
        System.out.println(line);
        System.in.read();
    }

    public static void main(String[] arguments) throws Exception {
        List<Meters> all = new ArrayList<>();
        for (StatsdFlavor flavor : StatsdFlavor.values()) {
            for (StatsdProtocol protocol : StatsdProtocol.values()) {
                MeterRegistry registry = new StatsdMeterRegistry(config(flavor, protocol, arguments), Clock.SYSTEM);
                all.add(new Meters(registry, flavor, protocol));
            }
        }
        // A registry connects in the background, and drops what is recorded before.
        pause("0");
        for (int i = 0; i < ROUNDS; i++) {
            for (Meters meters : all) {
                meters.round(i);
            }
            if (i % 100 == 99) {
                pause(Integer.toString(i + 1));
            }
        }
        for (Meters meters : all) {
            meters.registry.close();
        }
    }
}
