// Sends samples to a StatsD server: node send.js HOST PORT
'use strict';
const dgram = require('node:dgram');
const dns = require('node:dns').promises;

async function connect(host, port) {
  const { address, family } = await dns.lookup(host);
  const socket = dgram.createSocket(`udp${family}`);
  // Without a listener for errors, an unreachable server would end the program.
  socket.on('error', () => {});
  await new Promise((resolve) => socket.connect(port, address, resolve));
  return socket;
}

async function main(host = '127.0.0.1', port = '9125') {
  const socket = await connect(host, Number(port));
  const send = (name, value, kind, ...fields) =>
    new Promise((resolve) => socket.send([`${name}:${value}`, kind, ...fields].join('|'), resolve));
  await send('client.requests', 1, 'c', '#route:/orders,method:GET');
  await send('client.requests', 2, 'c', '#route:/orders,method:GET');
  await send('client.queue_depth', 40, 'g');
  await send('client.queue_depth', '-3', 'g');
  await send('client.request_time', 320, 'ms');
  await send('client.job_seconds', 0.75, 'h', '@0.25');
  await send('client.users', 'ada', 's');
  await send('client.users', 'grace', 's');
  socket.close();
}

main(...process.argv.slice(2));
