# Sends 10,000 samples to a StatsD server: ruby send.rb [HOST [PORT]]
require 'socket'

class StatsdSocket
  def initialize(host, port)
    @socket = Addrinfo.udp(host, port).connect
  end

  def send(*lines)
    @socket.send(lines.join("\n"), 0)
  rescue SystemCallError
    # A failed send must not disturb what is being measured.
  end
end

host = ARGV[0] || ENV.fetch('STATSD_HOST', '127.0.0.1')
port = ARGV[1] || ENV.fetch('STATSD_PORT', '9125')
statsd = StatsdSocket.new(host, port)
(1..1250).each do |i|
  statsd.send(
    'client.requests:1|c|#route:/orders,method:GET',
    "client.bytes:#{i}|c",
    "client.queue_depth:#{i}|g",
    'client.queue_depth:-3|g',
    "client.request_time:#{i % 4 * 250}|ms",
    'client.job_seconds:0.75|h|@0.25',
    "client.response_size:#{i % 8}|d",
    "client.users:u#{i % 100}|s"
  )
  sleep 0.01 if (i % 10).zero? # UDP has no brake but the sender's
end
