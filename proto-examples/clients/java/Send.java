// Sends 10,000 samples to a StatsD server: java Send.java [HOST [PORT]]
import java.net.DatagramPacket;
import java.net.DatagramSocket;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;

public class Send {
    static String argument(String[] args, int n, String name, String otherwise) {
        return args.length > n ? args[n] : System.getenv().getOrDefault(name, otherwise);
    }

    public static void main(String[] args) throws Exception {
        var host = argument(args, 0, "STATSD_HOST", "127.0.0.1");
        var port = Integer.parseInt(argument(args, 1, "STATSD_PORT", "9125"));
        try (var socket = new DatagramSocket()) {
            socket.connect(new InetSocketAddress(host, port));
            for (int i = 1; i <= 1250; i++) {
                var lines = String.join("\n",
                    "client.requests:1|c|#route:/orders,method:GET", "client.bytes:" + i + "|c",
                    "client.queue_depth:" + i + "|g", "client.queue_depth:-3|g",
                    "client.request_time:" + i % 4 * 250 + "|ms", "client.job_seconds:0.75|h|@0.25",
                    "client.response_size:" + i % 8 + "|d", "client.users:u" + i % 100 + "|s"
                ).getBytes(StandardCharsets.UTF_8);
                try {
                    socket.send(new DatagramPacket(lines, lines.length));
                } catch (java.io.IOException ignored) {
                    // A failed send must not disturb what is being measured.
                }
                if (i % 10 == 0) Thread.sleep(10); // UDP has no brake but the sender's
            }
        }
    }
}
