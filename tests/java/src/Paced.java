import com.timgroup.statsd.DirectStatsDClient;
import com.timgroup.statsd.NonBlockingStatsDClientBuilder;

/** Sends calls one after another with the official Java client of DogStatsD: ADDRESS CALLS PAUSE_MS. The address is a URL or HOST:PORT. */
final class Paced {
    public static void main(String[] arguments) throws Exception {
        NonBlockingStatsDClientBuilder builder = new NonBlockingStatsDClientBuilder().enableAggregation(false).telemetryFlushInterval(500);
        int colon = arguments[0].lastIndexOf(':');
        if (arguments[0].contains("://")) {
            builder.address(arguments[0]);
        } else {
            builder.hostname(arguments[0].substring(0, colon)).port(Integer.parseInt(arguments[0].substring(colon + 1)));
        }
        DirectStatsDClient client = builder.buildDirectStatsDClient();
        for (int i = Integer.parseInt(arguments[1]); i > 0; i--) {
            client.increment("paced");
            Thread.sleep(Integer.parseInt(arguments[2]));
        }
        client.close();
    }
}
