// A receiver as Oura's documents show it (their Express example), on Node's own http module: nothing of ours.
//
//     node express.mjs CLIENT_SECRET VERIFICATION_TOKEN
//
// The first line on stdout is the port, then one line for each event: what came, and whether it was believed.

import crypto from 'node:crypto';
import http from 'node:http';

const [clientSecret, verificationToken] = process.argv.slice(2);

// What `bodyParser.json()` does: only application/json, decoded; anything else is an empty object.
function parsed(request, raw) {
  const isJson = (request.headers['content-type'] ?? '').split(';')[0].trim() === 'application/json';
  return isJson && raw.length ? JSON.parse(raw.toString('utf8')) : {};
}

function verifySignature(headers, body) {
  const hmac = crypto.createHmac('sha256', clientSecret);
  hmac.update(headers['x-oura-timestamp'] + JSON.stringify(body));
  return hmac.digest('hex').toUpperCase() === headers['x-oura-signature'];
}

function challenged(request, response) {
  const query = new URL(request.url, 'http://here').searchParams;
  if (query.get('verification_token') !== verificationToken) {
    response.writeHead(401).end('Invalid verification token');
    return;
  }
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ challenge: query.get('challenge') }));
}

function received(request, response, raw) {
  let believed = false;
  try {
    believed = verifySignature(request.headers, parsed(request, raw));
  } catch {
    response.writeHead(400).end();
  }
  if (!response.headersSent) response.writeHead(believed ? 200 : 401).end(believed ? 'OK' : 'Invalid signature');
  console.log(JSON.stringify({ believed, headers: request.headers, body: raw.toString('base64') }));
}

const server = http.createServer((request, response) => {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    if (request.method === 'GET') challenged(request, response);
    else received(request, response, Buffer.concat(chunks));
  });
});

server.listen(0, '127.0.0.1', () => console.log(server.address().port));
