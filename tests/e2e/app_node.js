// SPDX-License-Identifier: Apache-2.0
// Node's http server: `app_node.js PORT ACCESS_LOG FOLDER`; the files of the folder, an echo, a failure.
'use strict';
const fs = require('fs');
const http = require('http');
const [port, log, folder] = process.argv.slice(2);

function answer(request, body) {
	if (request.method === 'POST' && request.url === '/echo')
		return [201, body];
	if (request.url === '/fail')
		return [503, Buffer.from('no')];
	try {
		return [200, fs.readFileSync(folder + request.url)];
	} catch {
		return [404, Buffer.from('absent')];
	}
}

http.createServer((request, response) => {
	const parts = [];
	request.on('data', (part) => parts.push(part));
	request.on('end', () => {
		const [status, body] = answer(request, Buffer.concat(parts));
		response.writeHead(status, { 'Content-Length': body.length });
		response.end(request.method === 'HEAD' ? undefined : body);
		fs.appendFileSync(log, `${status} ${request.method} ${request.url} ${request.method === 'HEAD' ? 0 : body.length}\n`);
	});
}).listen(Number(port), '127.0.0.1');
