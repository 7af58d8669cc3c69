// Sends with the client hot-shots: HOST PORT ROUNDS plain|buffered|tcp. What a round sends is counted out in tests/clients.rs.
//
// After some rounds it prints how many are sent and waits for a line on stdin, so that the kernel never holds many datagrams.
'use strict';

const readline = require('readline');
const StatsD = require('hot-shots');

const [host, port, rounds, mode] = process.argv.slice(2);
// Sampling left to chance could not be counted; the client still writes the rate.
Math.random = () => 0;
const client = new StatsD({
  host,
  port: Number(port),
  prefix: 'hs.',
  protocol: mode === 'tcp' ? 'tcp' : 'udp',
  globalTags: ['client:node'],
  maxBufferSize: mode === 'buffered' ? 8000 : 0,
  bufferFlushInterval: 3600000,
  includeDatadogTelemetry: mode === 'buffered',
  telemetryFlushInterval: 3600000,
  errorHandler: error => { throw error; },
});

function round(i) {
  client.increment('requests', 1, ['code:200', 'path:/a']);
  client.increment('bytes', i);
  client.increment('sampled', 1, 0.25);
  client.gauge('level', i - 0.5);
  client.gaugeDelta('drift', 3);
  client.gaugeDelta('drift', -1);
  client.timing('took', i % 100);
  client.histogram('size', i % 20 * 0.5, 0.5);
  client.distribution('spread', i % 4);
  client.set('users', `user${i % 50}`);
  client.gauge('timed', i, { timestamp: 1700000000 + i });
  if (i % 10 === 0) {
    client.decrement('credit');
    client.event('title', 'text\nof two lines', {}, ['a:b']);
    client.check('check', client.CHECKS.WARNING, { message: 'm' }, ['a:b']);
  }
}

async function main() {
  const lines = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  for (let i = 0; i < Number(rounds); i++) {
    round(i);
    await new Promise(resolve => { client.increment('rounds', 1, resolve); });
    if (i % 20 === 19 || i === rounds - 1) {
      await new Promise(resolve => { client.flush(resolve); });
      console.log(i + 1);
      await lines.next();
    }
  }
  await new Promise(resolve => { client.close(resolve); });
  process.exit(0);
}

main();
