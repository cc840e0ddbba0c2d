// SPDX-License-Identifier: Apache-2.0
// A server as many are: express, await in sequence and all at once. The second argument: "numbers"; "names":
// backends are called by name and a file is read before each call; "limited": calls queue for 4 connections to each;
// "http": by Node's own client; "shared": requests share one call of each's, as those that fill a cache.
const http = require('http');
const fs = require('fs');
const express = require('express');
const { Pool } = require('undici');

const [port, mode, ...backends] = process.argv.slice(2);
const host = mode === 'names' ? 'localhost' : '127.0.0.1';
const pools = backends.map((b) => new Pool(`http://${host}:${b}`, mode === 'limited' ? { connections: 4 } : {}));
const agent = new http.Agent({ keepAlive: true });
const paths = ['/one', '/two', '/three', '/four'];

function get(i, id) {
  return new Promise((done, failed) => {
    http.get({ agent, host, port: backends[i], path: `${paths[i]}?id=${id}` }, (res) => res.resume().on('end', done)).on('error', failed);
  });
}

let filling;
function filled(id) {
  filling ??= get(3, id).finally(() => { filling = undefined; });
  return filling;
}

async function call(i, id) {
  if (mode === 'names') await fs.promises.readFile(__filename);
  if (mode === 'http') return get(i, id);
  if (mode === 'shared' && i === 1) await filled(id);
  const { body } = await pools[i].request({ path: `${paths[i]}?id=${id}`, method: 'GET' });
  await body.text();
}

const app = express();
app.get('/work', async (req, res) => {
  const id = Number(req.query.id);
  if (id % 2) {
    for (let i = 0; i < 3; i++) await call(i, id);
  } else {
    await Promise.all([0, 1, 2].map((i) => call(i, id)));
  }
  await call(0, id);
  res.send('ok\n');
});
app.listen(Number(port), '127.0.0.1');
