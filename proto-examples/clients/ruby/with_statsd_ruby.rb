# The same load with the gem statsd-ruby: ruby with_statsd_ruby.rb [HOST [PORT]]
require 'statsd'

host = ARGV[0] || ENV.fetch('STATSD_HOST', '127.0.0.1')
port = ARGV[1] || ENV.fetch('STATSD_PORT', '9125')
# A batch sends ten lines in one datagram, and the rest when the block ends.
Statsd::Batch.new(Statsd.new(host, Integer(port))).easy do |statsd|
  (1..2000).each do |i|
    statsd.increment 'client.requests'
    statsd.count 'client.bytes', i
    statsd.gauge 'client.queue_depth', i
    statsd.timing 'client.request_time', i % 4 * 250
    statsd.set 'client.users', "u#{i % 100}"
    sleep 0.01 if (i % 10).zero?
  end
end
