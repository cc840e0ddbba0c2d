// SPDX-License-Identifier: Apache-2.0
// The order service in Node.js: the same options, endpoints, steps and backends as build/order-service. Its store is a
// file of JSON lines, whatever the URL's scheme.
'use strict';
const { randomUUID } = require('node:crypto');
const fs = require('node:fs');
const http = require('node:http');
const { parseArgs } = require('node:util');
const { trace, SpanStatusCode } = require('@opentelemetry/api');
const express = require('express');

const { values: options } = parseArgs({ options: Object.fromEntries(Object.entries({
	bind: '127.0.0.1', port: '8080', database: 'file://orders.jsonl', events: 'file://order-events.jsonl',
	'user-url': 'http://127.0.0.1:8081', 'product-url': 'http://127.0.0.1:8082',
	'inventory-url': 'http://127.0.0.1:8083', 'payment-url': 'http://127.0.0.1:8084', 'timeout-ms': '10000', writes: 'sync',
}).map(([name, value]) => [name, { type: 'string', default: value }])) });
const path = (url) => url.replace(/^\w+:\/\//, '');
const tracer = trace.getTracer('order-service');
const agent = new http.Agent({ keepAlive: true });
const orders = new Map();

// async: by a thread of libuv's pool, while other requests go on.
function append(url, value) {
	const line = `${JSON.stringify(value)}\n`;
	return options.writes === 'async' ? fs.promises.appendFile(path(url), line) : fs.appendFileSync(path(url), line);
}

class Refusal extends Error {
	constructor(status, message) {
		super(message);
		this.status = status;
	}
}

// A business function is a span of its own; without an SDK the API does nothing.
function step(name, work) {
	return (order) => tracer.startActiveSpan(name, async (span) => {
		span.setAttribute('user.id', order.user_id);
		span.setAttribute('order.items_count', order.items.length);
		try {
			return await work(order);
		} catch (error) {
			span.setStatus({ code: SpanStatusCode.ERROR, message: error.message });
			throw error;
		} finally {
			span.end();
		}
	});
}

function call(name, url, body) {
	const text = body && JSON.stringify(body);
	return new Promise((resolve, reject) => {
		const fail = () => reject(new Refusal(503, `${name} unavailable`));
		const request = http.request(url, {
			agent, method: text ? 'POST' : 'GET', timeout: Number(options['timeout-ms']),
			headers: text ? { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) } : {},
		}, (response) => {
			const parts = [];
			response.on('data', (part) => parts.push(part));
			response.on('error', fail);
			response.on('end', () => {
				let json = null;
				try {
					json = JSON.parse(Buffer.concat(parts).toString());
				} catch { /* the caller sees null */ }
				resolve({ status: response.statusCode, json });
			});
		});
		request.on('timeout', () => request.destroy(new Error('timed out')));
		request.on('error', fail);
		request.end(text);
	});
}

const validateUser = step('validate_user', async (order) => {
	const { status } = await call('User service', `${options['user-url']}/users/${order.user_id}`);
	if (status === 404) throw new Refusal(400, `User ${order.user_id} not found`);
	if (status !== 200) throw new Refusal(503, `User service answered ${status}`);
});

const validateProducts = step('validate_products', async (order) => {
	const ids = [...new Set(order.items.map((item) => item.product_id))];
	const { status, json } = await call('Product service', `${options['product-url']}/products/batch`, { product_ids: ids });
	if (status !== 200 || !Array.isArray(json?.products)) throw new Refusal(503, `Product service answered ${status}`);
	for (const item of order.items) {
		const product = json.products.find((p) => p.id === item.product_id);
		if (!product) throw new Refusal(400, `Product ${item.product_id} not found`);
		item.price = product.price;
	}
});

const reserveInventory = step('reserve_inventory', async (order) => {
	const items = order.items.map(({ product_id, quantity }) => ({ product_id, quantity }));
	const { status, json } = await call('Inventory service', `${options['inventory-url']}/inventory/reserve`,
		{ items, expires_in_minutes: 15 });
	if (status !== 200) throw new Refusal(503, json?.message ?? `Inventory service answered ${status}`);
	order.reservation_id = json.reservation_id;
});

const calculateTotalAmount = step('calculate_total_amount', async (order) => {
	order.total_amount = Math.round(100 * order.items.reduce((sum, item) => sum + item.price * item.quantity, 0)) / 100;
	order.currency = 'USD';
});

const createOrderRecord = step('create_order_record', async (order) => {
	Object.assign(order, { order_id: randomUUID(), status: 'created', created_at: new Date().toISOString() });
	await append(options.database, order);
	orders.set(order.order_id, order);
});

const publishOrderCreatedEvent = step('publish_order_created_event', async (order) => {
	const { order_id, user_id, total_amount, created_at } = order;
	const event = { event: 'order.created', order_id, user_id, total_amount, timestamp: created_at };
	await append(options.events, event);
});

const createOrder = step('create_order', async (order) => {
	await validateUser(order);
	await validateProducts(order);
	await reserveInventory(order);
	await calculateTotalAmount(order);
	await createOrderRecord(order);
	await publishOrderCreatedEvent(order).catch((error) => console.error(`order.created not published: ${error.message}`));
});

const isPositive = (n, most) => Number.isSafeInteger(n) && n > 0 && n <= most;

function parse(body) {
	if (!body || typeof body !== 'object' || Array.isArray(body)) throw new Refusal(400, 'Request body must be a JSON object');
	for (const field of ['user_id', 'items', 'shipping_address'])
		if (body[field] === undefined || body[field] === null) throw new Refusal(400, `Missing required field: ${field}`);
	if (!isPositive(body.user_id, Number.MAX_SAFE_INTEGER)) throw new Refusal(400, 'user_id must be a positive integer');
	if (!Array.isArray(body.items) || !body.items.length || body.items.length > 100)
		throw new Refusal(400, 'items must be a non-empty array');
	const items = body.items.map((item, i) => {
		if (!isPositive(item?.product_id, Number.MAX_SAFE_INTEGER) || !isPositive(item.quantity, 10000))
			throw new Refusal(400, `items[${i}] must have a product_id and a quantity`);
		return { product_id: item.product_id, quantity: item.quantity };
	});
	return { user_id: body.user_id, items, shipping_address: body.shipping_address };
}

const app = express();
app.disable('x-powered-by');
app.use(express.json({ limit: '1mb' }));
app.post('/orders', async (request, response) => {
	const order = parse(request.body);
	await createOrder(order);
	response.status(201).json(order);
});
app.get('/orders/:id', (request, response) => {
	const order = orders.get(request.params.id);
	response.status(order ? 200 : 404).json(order ?? { error: 'Order not found' });
});
app.get('/health', (request, response) => {
	response.json({ status: 'healthy', service: 'order-service', version: '1.2.0', timestamp: new Date().toISOString() });
});
app.use((request, response) => response.status(404).json({ error: 'Not found' }));
app.use((error, request, response, next) => { // eslint-disable-line no-unused-vars
	const status = error.status ?? 500;
	response.status(status).json({ error: status === 500 ? 'Internal server error' : error.message });
});

const server = app.listen(Number(options.port), options.bind, () => {
	console.log(`order-service listening on ${options.bind}:${server.address().port}`);
});
for (const signal of ['SIGTERM', 'SIGINT']) {
	process.on(signal, () => {
		agent.destroy();
		server.close(() => process.emit('server-closed') || process.exit(0));
		server.closeAllConnections();
	});
}
