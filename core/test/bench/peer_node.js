// SPDX-License-Identifier: MIT
// peer_node.js PORT FILE [SINK_URL]: what a good engineer writes in a day instead of Anzol, in Node
// with better-sqlite3 and undici. The GitHub signature is verified, events are inserted and answered
// after one synced commit for all that came in one turn of the loop. With SINK_URL an outbox worker
// reads what is pending, makes a new body, signs it, posts it and records the attempts in groups.
// It has no retry schedule, no order, and one slow receiver stalls all others.
'use strict'
const { createHmac, timingSafeEqual } = require('node:crypto')
const http = require('node:http')
const { createRequire } = require('node:module')

// NODE_MODULES is where the two packages are installed: the build folder.
const load = createRequire(process.env.NODE_MODULES + '/')
const Database = load('better-sqlite3')
const { Pool } = load('undici')

const [port, file, sink] = process.argv.slice(2)
const SECRET = process.env.SECRET
const SINK_SECRET = Buffer.from('bench-receiver-secret-32-bytes..')
const BATCH = 512
const IN_FLIGHT = 64

const db = new Database(file)
db.pragma('journal_mode = WAL')
db.pragma('synchronous = FULL')
db.pragma('wal_autocheckpoint = 16000')
db.exec(`CREATE TABLE event(id INTEGER PRIMARY KEY, key TEXT UNIQUE, type TEXT, headers TEXT,
  body BLOB, received_ms INTEGER);
  CREATE TABLE pending(event INTEGER PRIMARY KEY);
  CREATE TABLE attempt(id INTEGER PRIMARY KEY, event INTEGER, status INTEGER, started_ms INTEGER,
  duration_ms INTEGER);`)
const insert = db.prepare('INSERT OR IGNORE INTO event VALUES(NULL,?,?,?,?,?)')
const insertPending = db.prepare('INSERT INTO pending VALUES(?)')
const listPending = db.prepare(`SELECT id, type, body FROM pending JOIN event ON id = event
  WHERE event > ? ORDER BY event LIMIT ?`)
const record = db.prepare('INSERT INTO attempt VALUES(NULL,?,?,?,?)')
const finish = db.prepare('DELETE FROM pending WHERE event = ?')

function isGenuine (headers, body) {
  const given = Buffer.from(String(headers['x-hub-signature-256']))
  const wanted = Buffer.from('sha256=' + createHmac('sha256', SECRET).update(body).digest('hex'))
  return given.length === wanted.length && timingSafeEqual(given, wanted)
}

let queued = []

const insertAll = db.transaction(group => {
  const now = Date.now()
  for (const { headers, body } of group) {
    const { changes, lastInsertRowid } = insert.run(headers['x-github-delivery'],
      'github.' + headers['x-github-event'], JSON.stringify(headers), body, now)
    if (sink && changes === 1) insertPending.run(lastInsertRowid)
  }
})

function commit () {
  const group = queued
  queued = []
  insertAll(group)
  for (const { response } of group) {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': 11 })
    response.end('{"ok":true}')
  }
  wake()
}

function onRequest (request, response) {
  const parts = []
  request.on('data', part => parts.push(part))
  request.on('end', () => {
    const body = parts.length === 1 ? parts[0] : Buffer.concat(parts)
    if (!isGenuine(request.headers, body)) {
      response.writeHead(401, { 'content-length': 0 })
      response.end()
      return
    }
    if (queued.push({ headers: request.headers, body, response }) === 1) setImmediate(commit)
  })
}

const target = sink && new URL(sink)
const pool = sink && new Pool(target.origin, { connections: IN_FLIGHT })

function transform (body) {
  const push = JSON.parse(body)
  return Buffer.from(JSON.stringify({
    repository: push.repository.full_name,
    branch: push.ref.replace(/^refs\/heads\//, ''),
    pusher: push.pusher.name,
    commits: push.commits.map(commit => commit.id),
    sent_at_us: push.sent_at_us
  }))
}

async function send ({ id, body }) {
  const started = Date.now()
  const out = transform(body)
  const time = Math.floor(started / 1000)
  const name = 'msg_' + id
  const signature = createHmac('sha256', SINK_SECRET).update(`${name}.${time}.`).update(out)
    .digest('base64')
  const headers = {
    'content-type': 'application/json',
    'webhook-id': name,
    'webhook-timestamp': String(time),
    'webhook-signature': 'v1,' + signature
  }
  const result = { id, status: 0, started, duration: 0 }
  try {
    const answer = await pool.request({ path: target.pathname, method: 'POST', headers, body: out })
    await answer.body.dump()
    result.status = answer.statusCode
  } catch {
    result.status = 0
  }
  result.duration = Date.now() - started
  return result
}

const recordAll = db.transaction(group => {
  for (const { id, status, started, duration } of group) {
    record.run(id, status, started, duration)
    if (status >= 200 && status < 300) finish.run(id)
  }
})

let rows = []
let cursor = 0
let inFlight = 0
let results = []

function commitResults () {
  const group = results
  results = []
  recordAll(group)
}

function onSent (result) {
  inFlight--
  if (results.push(result) === 1) setTimeout(commitResults, 5)
  wake()
}

// Keeps IN_FLIGHT posts going while anything is pending behind the cursor. What failed is sent
// again after the next start.
function wake () {
  while (sink && inFlight < IN_FLIGHT) {
    if (rows.length === 0) {
      rows = listPending.all(cursor, BATCH).reverse()
      if (rows.length === 0) return
      cursor = rows[0].id
    }
    inFlight++
    send(rows.pop()).then(onSent)
  }
}

http.createServer(onRequest).listen(Number(port), '127.0.0.1')
process.on('SIGTERM', () => process.exit(0))
