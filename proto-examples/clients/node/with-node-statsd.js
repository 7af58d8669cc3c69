// The same load with the package node-statsd: node with-node-statsd.js [HOST [PORT]]
'use strict';
const StatsD = require('node-statsd');
const { setTimeout: sleep } = require('node:timers/promises');

async function main(host = process.env.STATSD_HOST ?? '127.0.0.1', port = process.env.STATSD_PORT ?? '9125') {
  const statsd = new StatsD({ host, port: Number(port) });
  for (let i = 1; i <= 2000; i++) {
    statsd.increment('client.requests', 1, ['route:/orders', 'method:GET']);
    statsd.increment('client.bytes', i);
    statsd.gauge('client.queue_depth', i);
    statsd.timing('client.request_time', (i % 4) * 250);
    statsd.set('client.users', `u${i % 100}`);
    if (i % 10 === 0) await sleep(10);
  }
  statsd.close();
}

main(...process.argv.slice(2));
