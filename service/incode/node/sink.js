// SPDX-License-Identifier: Apache-2.0
// Takes OTLP/HTTP JSON and appends each request as a line to a file: node sink.js FILE [PORT]
'use strict';
const fs = require('node:fs');
const http = require('node:http');
const zlib = require('node:zlib');

const [file, port] = process.argv.slice(2);

function take(request, parts) {
	const body = Buffer.concat(parts);
	const text = request.headers['content-encoding'] === 'gzip' ? zlib.gunzipSync(body) : body;
	fs.appendFileSync(file, `${JSON.stringify(JSON.parse(text.toString()))}\n`);
}

const server = http.createServer((request, response) => {
	const parts = [];
	request.on('data', (part) => parts.push(part));
	request.on('end', () => {
		let status = 200;
		try {
			take(request, parts);
		} catch (error) {
			console.error(`not taken: ${error.message}`);
			status = 400;
		}
		response.writeHead(status, { 'Content-Type': 'application/json' }).end('{}');
	});
});
server.listen(Number(port ?? 0), '127.0.0.1', () => console.log(`sink listening on 127.0.0.1:${server.address().port}`));
process.on('SIGTERM', () => process.exit(0));
