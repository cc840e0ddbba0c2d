// SPDX-License-Identifier: Apache-2.0
// A server as many are: express, await in sequence and all at once. With a second argument "names", backends are
// called by name and a file is read before each call.
const fs = require('fs');
const express = require('express');
const { Pool } = require('undici');

const [port, mode, ...backends] = process.argv.slice(2);
const host = mode === 'names' ? 'localhost' : '127.0.0.1';
const pools = backends.map((b) => new Pool(`http://${host}:${b}`));
const paths = ['/one', '/two', '/three', '/four'];

async function call(i, id) {
  if (mode === 'names') await fs.promises.readFile(__filename);
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
