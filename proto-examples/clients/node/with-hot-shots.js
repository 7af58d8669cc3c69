// The same load with the package hot-shots: node with-hot-shots.js [HOST [PORT]]
'use strict';
const { StatsD } = require('hot-shots');
const { setTimeout: sleep } = require('node:timers/promises');

async function main(host = process.env.STATSD_HOST ?? '127.0.0.1', port = process.env.STATSD_PORT ?? '9125') {
  const statsd = new StatsD({ host, port: Number(port) });
  for (let i = 1; i <= 1250; i++) {
    statsd.increment('client.requests', 1, { route: '/orders', method: 'GET' });
    statsd.increment('client.bytes', i);
    statsd.gauge('client.queue_depth', i);
    statsd.gaugeDelta('client.queue_depth', -3);
    statsd.timing('client.request_time', (i % 4) * 250);
    statsd.histogram('client.job_seconds', 0.75);
    statsd.distribution('client.response_size', i % 8);
    statsd.set('client.users', `u${i % 100}`);
    if (i % 10 === 0) await sleep(10);
  }
  await new Promise((resolve) => statsd.close(resolve));
}

main(...process.argv.slice(2));
