# Sends 10,000 samples to a StatsD server: perl send.pl [HOST [PORT]]
use strict;
use warnings;
use IO::Socket::IP;
use Time::HiRes 'sleep';

my $host = shift // $ENV{STATSD_HOST} // '127.0.0.1';
my $port = shift // $ENV{STATSD_PORT} // 9125;
my $statsd = IO::Socket::IP->new(PeerHost => $host, PeerPort => $port, Proto => 'udp') or die "send: $@\n";

for my $i (1 .. 1250) {
    my @lines = (
        'client.requests:1|c|#route:/orders,method:GET',
        "client.bytes:$i|c",
        "client.queue_depth:$i|g",
        'client.queue_depth:-3|g',
        'client.request_time:' . $i % 4 * 250 . '|ms',
        'client.job_seconds:0.75|h|@0.25',
        'client.response_size:' . $i % 8 . '|d',
        'client.users:u' . $i % 100 . '|s',
    );
    # The result is not looked at: a failed send must not disturb what is being measured.
    $statsd->send(join "\n", @lines);
    sleep 0.01 if $i % 10 == 0; # UDP has no brake but the sender's
}
