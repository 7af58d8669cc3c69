<?php
// Sends 10,000 samples to a StatsD server: php send.php [HOST [PORT]]
declare(strict_types=1);

$host = $argv[1] ?? (getenv('STATSD_HOST') ?: '127.0.0.1');
$port = $argv[2] ?? (getenv('STATSD_PORT') ?: '9125');
// An IPv6 address stands in brackets before a port.
$statsd = stream_socket_client('udp://' . (str_contains($host, ':') ? "[$host]" : $host) . ":$port");
if ($statsd === false) {
    exit(1);
}
// Without a buffer, one write is one datagram.
stream_set_write_buffer($statsd, 0);

for ($i = 1; $i <= 1250; $i++) {
    $lines = [
        'client.requests:1|c|#route:/orders,method:GET',
        "client.bytes:$i|c",
        "client.queue_depth:$i|g",
        'client.queue_depth:-3|g',
        'client.request_time:' . $i % 4 * 250 . '|ms',
        'client.job_seconds:0.75|h|@0.25',
        'client.response_size:' . $i % 8 . '|d',
        'client.users:u' . $i % 100 . '|s',
    ];
    // A failed send is silent: it must not disturb what is being measured.
    @fwrite($statsd, implode("\n", $lines));
    if ($i % 10 === 0) {
        usleep(10_000); // UDP has no brake but the sender's
    }
}
