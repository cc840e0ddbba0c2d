// SPDX-License-Identifier: Apache-2.0
// The OpenTelemetry SDK with its auto-instrumentations, as its documentation sets it up: node --require tracing.js
'use strict';
const { NodeSDK } = require('@opentelemetry/sdk-node');
const { OTLPTraceExporter } = require('@opentelemetry/exporter-trace-otlp-http');
const { getNodeAutoInstrumentations } = require('@opentelemetry/auto-instrumentations-node');

const sdk = new NodeSDK({
	traceExporter: new OTLPTraceExporter(),
	instrumentations: [getNodeAutoInstrumentations({
		'@opentelemetry/instrumentation-http': {
			// Which connection a call went over, so that it can be told from others at the same time.
			responseHook: (span, response) => {
				if (response.constructor.name === 'IncomingMessage')
					span.setAttribute('network.local.port', response.socket.localPort);
			},
		},
	})],
});
sdk.start();

// The server ends first; what it did last is exported then.
process.on('server-closed', () => sdk.shutdown().finally(() => process.exit(0)));
