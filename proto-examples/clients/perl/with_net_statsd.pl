# The same load with the module Net::Statsd: perl with_net_statsd.pl [HOST [PORT]]
use strict;
use warnings;
use Net::Statsd;
use Time::HiRes 'sleep';

$Net::Statsd::HOST = shift // $ENV{STATSD_HOST} // '127.0.0.1';
$Net::Statsd::PORT = shift // $ENV{STATSD_PORT} // 9125;

for my $i (1 .. 2500) {
    Net::Statsd::increment('client.requests');
    Net::Statsd::update_stats('client.bytes', $i);
    Net::Statsd::gauge('client.queue_depth' => $i);
    Net::Statsd::timing('client.request_time', $i % 4 * 250);
    sleep 0.01 if $i % 10 == 0;
}
