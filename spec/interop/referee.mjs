// SPDX-License-Identifier: MIT
// A receiver by HTTPS (HTTP/2 and 1.1), or a forward proxy, for specs: node referee.mjs JSON.
// {proxy: true}, or {key, cert, ca?, wants?: "certificate", max?, isOld?}: files, a version of
// TLS, HTTP/1.1 only.
// Writes one JSON line each: {port}, then what each request was.
import { readFileSync } from "node:fs";
import http from "node:http";
import http2 from "node:http2";
import https from "node:https";
import net from "node:net";

const options = JSON.parse(process.argv[2]);

function tell(row) {
  process.stdout.write(`${JSON.stringify(row)}\n`);
}

function listen(server) {
  server.listen(0, "127.0.0.1", () => tell({ port: server.address().port }));
}

// Numbers of the connections, in order.
const numbers = new Map();
function numberOf(socket) {
  const key = `${socket.remotePort}`;
  if (!numbers.has(key)) numbers.set(key, numbers.size + 1);
  return numbers.get(key);
}

function receive() {
  const server = (options.isOld ? https.createServer : http2.createSecureServer)({
    allowHTTP1: true, key: readFileSync(options.key), cert: readFileSync(options.cert),
    ca: options.ca && readFileSync(options.ca), requestCert: options.wants === "certificate",
    rejectUnauthorized: options.wants === "certificate", minVersion: "TLSv1",
    maxVersion: options.max ?? "TLSv1.3", ciphers: options.max ? "DEFAULT@SECLEVEL=0" : undefined,
  });
  server.on("request", (request, response) => {
    const socket = request.stream?.session?.socket ?? request.socket;
    const peer = socket.getPeerCertificate?.() ?? {};
    let bytes = 0;
    request.on("data", (chunk) => { bytes += chunk.length; });
    request.on("end", () => {
      tell({ version: request.httpVersion, connection: numberOf(socket), bytes,
        peer: peer.subject?.CN, method: request.method, path: request.url });
      // Long enough that those sent at the same time meet.
      setTimeout(() => { response.statusCode = 200; response.end("{}"); }, 30);
    });
  });
  server.on("tlsClientError", () => {});
  listen(server);
}

function relay() {
  const server = http.createServer((request, response) => {
    tell({ method: request.method, target: request.url, auth: request.headers["proxy-authorization"] });
    const url = new URL(request.url);
    const onward = http.request({ host: "127.0.0.1", port: url.port, path: url.pathname,
      method: request.method, headers: request.headers }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    onward.on("error", () => { response.statusCode = 502; response.end(); });
    request.pipe(onward);
  });
  server.on("connect", (request, socket, head) => {
    tell({ method: "CONNECT", target: request.url, auth: request.headers["proxy-authorization"] });
    if (options.refuses) {
      socket.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
      return;
    }
    const onward = net.connect(Number(request.url.split(":").pop()), "127.0.0.1", () => {
      socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
      onward.write(head);
      onward.pipe(socket);
      socket.pipe(onward);
    });
    onward.on("error", () => socket.destroy());
    socket.on("error", () => onward.destroy());
  });
  listen(server);
}

if (options.proxy) relay();
else receive();
