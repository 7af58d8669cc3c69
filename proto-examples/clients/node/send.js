// Sends 10,000 samples to a StatsD server: node send.js [HOST [PORT]]
'use strict';
const dgram = require('node:dgram');
const dns = require('node:dns').promises;
const { setTimeout: sleep } = require('node:timers/promises');

async function connect(host, port) {
  const { address, family } = await dns.lookup(host);
  const socket = dgram.createSocket(`udp${family}`);
  // Without a listener for errors, an unreachable server would end the program.
  socket.on('error', () => {});
  await new Promise((resolve) => socket.connect(port, address, resolve));
  return socket;
}

async function main(host = process.env.STATSD_HOST ?? '127.0.0.1', port = process.env.STATSD_PORT ?? '9125') {
  const socket = await connect(host, Number(port));
  const send = (...lines) => new Promise((resolve) => socket.send(lines.join('\n'), resolve));
  for (let i = 1; i <= 1250; i++) {
    await send(
      'client.requests:1|c|#route:/orders,method:GET',
      `client.bytes:${i}|c`,
      `client.queue_depth:${i}|g`,
      'client.queue_depth:-3|g',
      `client.request_time:${(i % 4) * 250}|ms`,
      'client.job_seconds:0.75|h|@0.25',
      `client.response_size:${i % 8}|d`,
      `client.users:u${i % 100}|s`,
    );
    if (i % 10 === 0) await sleep(10); // UDP has no brake but the sender's
  }
  socket.close();
}

main(...process.argv.slice(2));
