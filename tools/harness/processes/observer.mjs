/**
 * The observer: preloaded with NODE_OPTIONS into every process of a program under check. It tells the keeper what
 * happens there, stamps every HTTP answer with who gave it, and applies a fault when the keeper asks for one. It
 * needs nothing from the program, prints nothing, keeps no process alive, and dies with its keeper.
 *
 * Reports go out with a synchronous write, so that what was reported before a `process.exit()` arrives.
 */

import childProcess, { ChildProcess } from 'node:child_process'
import cluster from 'node:cluster'
import diagnostics from 'node:diagnostics_channel'
import { writeSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import net from 'node:net'
import { monitorEventLoopDelay, performance } from 'node:perf_hooks'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { isMainThread } from 'node:worker_threads'

const {
  EVERY_CORE_RUN: run = '',
  EVERY_CORE_KEEPER: keeper = '',
  EVERY_CORE_OPTIONS: optionsText,
} = process.env

/** Whether what is forked only sleeps: for more workers than this machine could bear. */
let hollow = false

/** What else is to happen at a fork. @type {((worker: import('node:cluster').Worker) => void) | undefined} */
let onFork
/** What else is to happen when a child was spawned. @type {((child: any, options: any) => void) | undefined} */
let onSpawn

/** Messages that wait here, if they are held; see `holdMessages`. @type {{ on: boolean, arrived: (() => void)[] }} */
const heldMessages = { on: false, arrived: [] }
let messagesFollowed = false

/** A histogram of delays reads this much while nothing is late. */
const VITALS_RESOLUTION_MS = 10

/** Whether the messages that come to the primary are told. */
let messagesHeard = false

/** How long a piece of work took, which is always the same, at each request; undefined: not asked for. @type {number[] | undefined} */
let gauged

/** Whether what workers print is to go nowhere. */
let workersMuted = false
/** See watchRequests. @type {{ headers: readonly [string, string | string[]][] } | undefined} */
let requestsWatched
let requestsSubscribed = false
/** A watched request whose URL holds these words is the end of this process, before the program sees it. */
let fatalWords = /** @type {string | undefined} */ (undefined)

if (isMainThread && run !== '' && keeper !== '') {
  const report = await connect()
  watchCluster(report)
  watchProcessesAndThreads(report)
  watchServers(report)
  stampAnswers()
  followChildren()
  watchKeeper(report)
  applyOptions(report)
  await loadTsxWithItsCacheInside()
}

/** Connects to the keeper before the program's first line runs: some 1 ms. */
async function connect() {
  const [port, token] = keeper.split(':')
  const socket = net.connect(Number(port), '127.0.0.1').setNoDelay(true).unref()
  await new Promise((resolve) => socket.once('connect', resolve).once('error', dieWithKeeper))
  socket.on('close', dieWithKeeper).on('error', dieWithKeeper)
  // @ts-expect-error the handle is Node's own: the only way to a synchronous write on a socket
  const fd = /** @type {number} */ (socket._handle.fd)

  /** @param {string} type @param {Record<string, unknown>} [more] */
  const report = (type, more) => {
    const line = `${JSON.stringify({ type, pid: process.pid, at: now(), ...more })}\n`
    writeWhole(fd, Buffer.from(line))
  }
  report('hello', { token, run, ppid: process.ppid, worker: cluster.worker?.id ?? null })

  let rest = ''
  socket.setEncoding('utf8').on('data', (/** @type {string} */ text) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) setImmediate(() => obey(JSON.parse(line), report))
  })
  return report
}

/** The keeper has gone, and with it whoever could end this process: nothing of a run may outlive it. */
function dieWithKeeper() {
  process.kill(process.pid, 'SIGKILL')
}

/**
 * A signal with which the first process would end or stop its keeper: it is told before it takes effect, since nobody
 * else could tell. The others the keeper takes no notice of. @param {Report} report
 */
function watchKeeper(report) {
  if (cluster.isWorker) return
  const parent = process.ppid
  const { kill } = process
  process.kill = function (pid, signal) {
    if (pid === parent && ['SIGKILL', 'SIGSTOP', 9, 19].includes(signal ?? 'SIGTERM')) {
      report('keeper-harmed', { signal: typeof signal === 'string' ? signal : `signal ${signal}` })
      // Until it has reached the harness.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200)
    }
    return Reflect.apply(kill, process, [pid, signal])
  }
}

/** A non-blocking socket may be full for a moment. @param {number} fd @param {Buffer} bytes */
function writeWhole(fd, bytes) {
  const pause = new Int32Array(new SharedArrayBuffer(4))
  for (let sent = 0, tries = 0; sent < bytes.length && tries < 200;) {
    try {
      sent += writeSync(fd, bytes, sent)
    } catch (error) {
      if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'EAGAIN') return
      tries += 1
      Atomics.wait(pause, 0, 0, 5)
    }
  }
}

/** Milliseconds since the epoch, from a clock that only goes forward. */
function now() {
  return performance.timeOrigin + performance.now()
}

function role() {
  if (cluster.isWorker) return 'worker'
  return Object.keys(cluster.workers ?? {}).length > 0 || forked ? 'primary' : 'single'
}

let forked = false

/** @typedef {(type: string, more?: Record<string, unknown>) => void} Report */

/** Wraps `emit`, not `on`: no listener is added that the program could see, or take away. @param {Report} report */
function watchCluster(report) {
  if (!cluster.isPrimary) return
  const { emit } = cluster
  cluster.emit = function (/** @type {any} */ name, /** @type {any[]} */ ...rest) {
    const [worker, first, second] = rest
    const of = { worker: worker?.id, workerPid: worker?.process?.pid }
    if (name === 'fork' || name === 'online' || name === 'disconnect') report(name, of)
    else if (name === 'listening') report(name, { ...of, port: first.port, address: first.address })
    else if (name === 'exit') report(name, { ...of, code: first, signal: second })
    else if (name === 'message' && messagesHeard) report('heard', { from: of.workerPid })
    if (name === 'fork') onFork?.(worker)
    return Reflect.apply(emit, this, [name, ...rest])
  }
}

/** @param {Report} report */
function watchProcessesAndThreads(report) {
  diagnostics.subscribe('child_process', (message) => {
    const child = /** @type {{ process: import('node:child_process').ChildProcess }} */ (message).process
    // Reported at once, since the program may exit in this very tick; the details are there a tick later.
    forked ||= cluster.isPrimary
    report('spawning')
    process.nextTick(() => report('spawned', { childPid: child.pid ?? null, file: child.spawnfile }))
  })
  // What the program waits for is told on no channel.
  for (const name of /** @type {const} */ (['spawnSync', 'execFileSync', 'execSync'])) {
    const run = /** @type {(...all: unknown[]) => any} */ (childProcess[name])
    const told = (/** @type {unknown[]} */ ...all) => {
      report('spawned', { childPid: null, file: String(all[0]) })
      return Reflect.apply(run, childProcess, all)
    }
    childProcess[name] = Object.defineProperties(told, Object.getOwnPropertyDescriptors(run))
  }
  syncBuiltinESMExports()
  diagnostics.subscribe('worker_threads', (message) => {
    const { worker } = /** @type {{ worker: object }} */ (message)
    // Module hooks (tsx registers some) run in a thread of Node's own. For CommonJS tsx lets esbuild transpile in a
    // thread of esbuild's, where the file is new; whoever creates it stands on the stack.
    const isOfTsx = /[\\/]node_modules[\\/]esbuild[\\/]/.test(new Error('created here').stack ?? '')
    if (worker.constructor.name !== 'InternalWorker' && !isOfTsx) report('thread')
  })
}

/** Wraps `emit`, not `on`: no listener is added that the program could see. @param {Report} report */
function watchServers(report) {
  watchOwnListens()
  const emit = net.Server.prototype.emit
  net.Server.prototype.emit = function (/** @type {string} */ name, /** @type {any[]} */ ...rest) {
    if (name === 'listening') {
      const address = this.address()
      const at =
        typeof address === 'string' ? { path: address } : { port: address?.port, address: address?.address }
      const alone = cluster.isWorker && opened.has(this)
      report('server-listening', { ...at, serves: serves(this), ...(alone && { alone }) })
    } else if (name === 'close') {
      report('server-closed')
    } else if (name === 'error') {
      const error = /** @type {{ code?: string, port?: number, address?: string }} */ (rest[0])
      report('server-error', { code: error?.code ?? null, port: error?.port ?? null })
    }
    // @ts-expect-error passes on whatever came
    return emit.call(this, name, ...rest)
  }
  const { close } = net.Server.prototype
  net.Server.prototype.close = function (/** @type {any[]} */ ...rest) {
    if (this.listening) report('server-closing')
    return Reflect.apply(close, this, rest)
  }
}

/** Servers for which this worker opened the socket itself: `exclusive`, of which the primary is told nothing. */
const opened = new WeakSet()

function watchOwnListens() {
  if (!cluster.isWorker) return
  wrapOwnListen((server, listen) => {
    opened.add(server)
    listen()
  })
}

/**
 * Every listen ends in `_listen2` (lib/net.js): with a handle if the primary has given one, without if the process has
 * to open its own.
 * @param {(server: object, listen: () => void, port: unknown) => void} instead
 */
function wrapOwnListen(instead) {
  // It is there, if not in the types.
  const prototype = /** @type {{ _listen2(...all: unknown[]): void, _handle: unknown }} */ (
    /** @type {unknown} */ (net.Server.prototype)
  )
  const listen = prototype._listen2
  prototype._listen2 = function (...rest) {
    const pass = () => Reflect.apply(listen, this, rest)
    if (this._handle) pass()
    else instead(this, pass, rest[1])
  }
}

/**
 * Whether it is a server of the program's own. In a primary, cluster's round robin listens on its workers' behalf with
 * a bare `net.createServer(assert.fail)` (lib/internal/cluster/round_robin_handle.js).
 * @param {net.Server} server
 */
function serves(server) {
  return (
    server.listenerCount('request') > 0 ||
    server.listeners('connection').some((listener) => listener.name !== 'fail')
  )
}

/**
 * A program may hand its children an environment of its own, with other NODE_OPTIONS or none. They are watched all the
 * same, and found when the run ends.
 */
function followChildren() {
  // `spawn` is there, if not in the types (lib/internal/child_process.js).
  const prototype = /** @type {{ pid?: number, spawn(options: unknown): unknown }} */ (
    /** @type {unknown} */ (ChildProcess.prototype)
  )
  const { spawn } = prototype
  // By their whole names: a program may have others that begin so.
  const isOurs = (/** @type {string} */ name) => /^EVERY_CORE_(RUN|KEEPER|OPTIONS|CACHE)$/.test(name)
  const mine = Object.entries(process.env).filter(([name]) => isOurs(name))
  const preload = `--import ${import.meta.url}`
  prototype.spawn = function (/** @type {any} */ options) {
    if (Array.isArray(options?.envPairs)) options.envPairs = withObserver(options.envPairs)
    if (workersMuted) muteWorker(options)
    const isFork = options?.envPairs?.some((/** @type {string} */ pair) => pair.startsWith('NODE_UNIQUE_ID='))
    if (hollow && isFork) Object.assign(options, { file: 'sleep', args: ['sleep', '60'] })
    const result = Reflect.apply(spawn, this, [options])
    if (doomedForks > 0 && cluster.isPrimary && this.pid !== undefined) {
      doomedForks -= 1
      process.kill(this.pid, 'SIGKILL')
    }
    onSpawn?.(this, options)
    return result
  }

  /** @param {string[]} pairs `NAME=value` */
  function withObserver(pairs) {
    const given = Object.entries(forNextForks.env)
    const others = pairs.filter((pair) => {
      const [name = ''] = pair.split('=', 1)
      return !isOurs(name) && name !== 'NODE_OPTIONS' && !given.some(([other]) => name === other)
    })
    const theirs = pairs.find((pair) => pair.startsWith('NODE_OPTIONS='))?.slice('NODE_OPTIONS='.length) ?? ''
    const options = theirs.includes(preload) ? theirs : `${preload} ${theirs}`.trim()
    const own = new Map([...mine, ...given])
    if (forNextForks.options !== undefined)
      own.set('EVERY_CORE_OPTIONS', JSON.stringify(forNextForks.options))
    return [...others, ...[...own].map(([name, value]) => `${name}=${value}`), `NODE_OPTIONS=${options}`]
  }
}

/**
 * What a worker prints on the streams that it shares with its primary goes nowhere.
 * @param {{ envPairs?: string[], stdio?: unknown }} options
 */
function muteWorker(options) {
  const isWorker = options.envPairs?.some((pair) => pair.startsWith('NODE_UNIQUE_ID='))
  if (!isWorker || !Array.isArray(options.stdio)) return
  const shared = ['inherit', 1, 2]
  options.stdio = options.stdio.map((/** @type {unknown} */ stream, /** @type {number} */ fd) =>
    (fd === 1 || fd === 2) && shared.some((one) => one === stream) ? 'ignore' : stream,
  )
}

/**
 * What processes that are started from now on get beside what the program gives them; see `next-forks`.
 * @type {{ env: Record<string, string>, options: Record<string, unknown> | undefined }}
 */
const forNextForks = { env: {}, options: undefined }

/** So many of the next processes that are started are killed before they run a line. */
let doomedForks = 0

function stampAnswers() {
  diagnostics.subscribe('http.server.request.start', (message) => {
    const { response } = /** @type {{ response: import('node:http').ServerResponse }} */ (message)
    if (gauged !== undefined) gauged.push(gauge())
    // One header per role: a proxy in the primary passes its worker's stamp on beside its own.
    addToHead(response, [[`x-every-core-${role()}`, `${run} ${cluster.worker?.id ?? 0} ${process.pid}`]])
  })
}

/**
 * Adds lines to the head of an answer where Node writes it out, right after the status line: `OutgoingMessage` does
 * that in `_storeHeader(firstLine, headers)`. A header set ahead would change what the program does: with one that is
 * set, `writeHead(status, rawHeaders)` keeps only the last of repeated headers (Node 20, lib/_http_server.js).
 * @param {import('node:http').ServerResponse} response @param {readonly (readonly [string, string | readonly string[]])[]} headers
 */
function addToHead(response, headers) {
  const lines = headers.flatMap(([name, value]) => [value].flat().map((one) => `${name}: ${one}\r\n`))
  linesOfHeads.set(response, (linesOfHeads.get(response) ?? '') + lines.join(''))
  if (writesHeads) return
  writesHeads = true
  let prototype = Object.getPrototypeOf(response)
  while (!Object.hasOwn(prototype, '_storeHeader')) prototype = Object.getPrototypeOf(prototype)
  const store = prototype._storeHeader
  prototype._storeHeader = function (/** @type {string} */ firstLine, /** @type {unknown} */ given) {
    return Reflect.apply(store, this, [firstLine + (linesOfHeads.get(this) ?? ''), given])
  }
}

/** @type {WeakMap<object, string>} */
const linesOfHeads = new WeakMap()
let writesHeads = false

/** What the harness asked for before the start. @param {Report} report */
function applyOptions(report) {
  if (optionsText === undefined) return
  /**
   * @type {{ withoutPort?: number, hollowForks?: boolean, holdListen?: number | 'any', holdMessages?: boolean,
   *   countMessages?: boolean, recordMessages?: boolean, watchRequests?: boolean, muteWorkers?: boolean,
   *   vitalsEveryMs?: number }}
   */
  const options = JSON.parse(optionsText)
  workersMuted = options.muteWorkers === true
  hollow = options.hollowForks === true && cluster.isPrimary
  const { holdListen, withoutPort } = options
  if (withoutPort !== undefined) holdListening(report, (port) => port === withoutPort)
  if (cluster.isWorker && (holdListen === 'any' || cluster.worker?.id === holdListen)) holdListening(report)
  if (cluster.isWorker && options.holdMessages === true) holdMessages(report)
  if (options.countMessages === true) countMessages(report)
  if (options.recordMessages === true) recordMessages(report)
  if (options.watchRequests === true) watchRequests(report, [])
  if (options.vitalsEveryMs !== undefined) tellVitals(report, options.vitalsEveryMs)
}

/**
 * Tells again and again how this process is, for somebody who watches: requests up to now, the longest delay of its
 * event loop since the last time (ms), its memory (bytes).
 * @param {Report} report @param {number} everyMs
 */
function tellVitals(report, everyMs) {
  let requests = 0
  diagnostics.subscribe('http.server.request.start', () => {
    requests += 1
  })
  const delay = monitorEventLoopDelay({ resolution: VITALS_RESOLUTION_MS })
  delay.enable()
  setInterval(() => {
    const delayMs = Math.max(0, delay.max / 1e6 - VITALS_RESOLUTION_MS)
    report('vitals', { requests, delayMs, rssBytes: process.memoryUsage.rss() })
    delay.reset()
  }, everyMs).unref()
}

/**
 * A worker's listen begins with a message to the primary (lib/internal/cluster/child.js, `queryServer`): holding that
 * message back until the keeper says `release` makes the worker's listen slow and changes nothing else. A listen of
 * its own asks nobody, and is held where it opens its socket.
 * @param {Report} report @param {(port: unknown) => boolean} [concerns] which listens
 */
function holdListening(report, concerns = () => true) {
  wrapOwnListen((_server, listen, port) => {
    if (released || !concerns(port)) return listen()
    held.push(listen)
    report('listen-held', { worker: cluster.worker?.id, port })
  })
  const { send } = process
  if (send === undefined) return
  process.send = function (/** @type {any} */ message, /** @type {any[]} */ ...rest) {
    const pass = () => Reflect.apply(send, process, [message, ...rest])
    if (released || message?.cmd !== 'NODE_CLUSTER' || message.act !== 'queryServer') return pass()
    if (!concerns(message.port)) return pass()
    held.push(pass)
    report('listen-held', { worker: cluster.worker?.id, port: message.port })
    return true
  }
}

let released = false
/** @type {(() => void)[]} */
const held = []

const messages = { sent: 0, sentBytes: 0 }

/** Counts what this process sends over IPC, Node's own messages apart. @param {Report} report */
function countMessages(report) {
  if (process.send !== undefined) process.send = counted(process.send.bind(process))
  onFork = (worker) => {
    worker.process.send = counted(worker.process.send.bind(worker.process))
  }
  setInterval(() => report('messages', messages), 200).unref()
}

/**
 * Tells every message that this process sends over IPC, Node's own apart, and what it hands to the processes that it
 * starts. Both ends of a channel are told by their senders.
 * @param {Report} report
 */
function recordMessages(report) {
  messagesHeard = true
  if (process.send !== undefined) process.send = recorded(process.send.bind(process), null, report)
  onSpawn = (child, options) => {
    if (child.pid === undefined) return
    const [args, env] = [options.args ?? [], options.envPairs ?? []]
    report('given', { childPid: child.pid, file: child.spawnfile, args, env })
    if (typeof child.send === 'function') child.send = recorded(child.send.bind(child), child.pid, report)
  }
}

/** A message that is longer is cut, which makes its JSON invalid. */
const LONGEST_MESSAGE = 262_144

/** @param {(...all: any[]) => boolean} send @param {number | null} to null: to the parent @param {Report} report */
function recorded(send, to, report) {
  return (/** @type {any} */ message, /** @type {any[]} */ ...rest) => {
    if (!/^NODE_(CLUSTER|HANDLE)/.test(String(message?.cmd ?? ''))) {
      report('message', { to, json: jsonOf(message).slice(0, LONGEST_MESSAGE) })
    }
    return send(message, ...rest)
  }
}

/** As JSON, with what only the advanced serialization can carry spelt out: maps, sets, bytes. @param {unknown} message */
function jsonOf(message) {
  try {
    return (
      JSON.stringify(message, (_name, value) => {
        if (value instanceof Map || value instanceof Set) return [...value]
        if (ArrayBuffer.isView(value)) {
          return {
            type: 'Buffer',
            data: [...new Uint8Array(value.buffer, value.byteOffset, value.byteLength)],
          }
        }
        if (value instanceof ArrayBuffer) return { type: 'Buffer', data: [...new Uint8Array(value)] }
        if (value instanceof Error) return { name: value.name, message: value.message, stack: value.stack }
        return typeof value === 'bigint' ? String(value) : value
      }) ?? 'null'
    )
  } catch {
    return 'null'
  }
}

/** @param {(...all: any[]) => boolean} send */
function counted(send) {
  return (/** @type {any} */ message, /** @type {any[]} */ ...rest) => {
    if (!String(message?.cmd ?? '').startsWith('NODE_')) {
      messages.sent += 1
      messages.sentBytes += sizeOf(message)
    }
    return send(message, ...rest)
  }
}

/**
 * Holds the messages that arrive here until `release-messages`, as if the channel were slow. One that nobody listens
 * for yet is lost, as it would be. Wraps `emit`, not `on`: the program sees no listener. @param {Report} report
 */
function holdMessages(report) {
  heldMessages.on = true
  if (messagesFollowed) return
  messagesFollowed = true
  const { emit } = process
  process.emit = function (/** @type {string} */ name, /** @type {any[]} */ ...rest) {
    const pass = () => Reflect.apply(emit, process, [name, ...rest])
    if (name !== 'message' || !heldMessages.on || !hearsMessages()) return pass()
    heldMessages.arrived.push(pass)
    report('message-held')
    return true
  }
}

/** In a worker one listener is cluster's own, which passes messages on to `cluster.worker`. */
function hearsMessages() {
  const own = cluster.isWorker ? 1 : 0
  return process.listenerCount('message') > own || (cluster.worker?.listenerCount('message') ?? 0) > 0
}

function releaseMessages() {
  heldMessages.on = false
  for (const pass of heldMessages.arrived.splice(0)) pass()
}

/** Characters of JSON; 0 for what JSON has no words for. @param {unknown} message */
function sizeOf(message) {
  try {
    return JSON.stringify(message)?.length ?? 0
  } catch {
    return 0
  }
}

/**
 * Tells what arrives here: every request's head, and how its answer ended. Adds headers to the answers, if any are
 * given, as a list of names and values, beside the program's own.
 * @param {Report} report @param {readonly [string, string | string[]][]} headers
 */
function watchRequests(report, headers) {
  requestsWatched = { headers }
  if (requestsSubscribed) return
  requestsSubscribed = true
  let count = 0
  diagnostics.subscribe('http.server.request.start', (message) => {
    const { request, response } =
      /** @type {{ request: import('node:http').IncomingMessage, response: import('node:http').ServerResponse }} */ (
        message
      )
    if (requestsWatched === undefined) return
    count += 1
    const id = count
    const { method, url, rawHeaders } = request
    report('request', { id, method, url, rawHeaders })
    if (fatalWords !== undefined && url?.includes(fatalWords)) process.kill(process.pid, 'SIGKILL')
    addToHead(response, requestsWatched.headers)
    response.once('close', () => report('request-closed', { id, finished: response.writableFinished }))
  })
}

/**
 * tsx keeps transpiled files under os.tmpdir(), and nothing of a check may stay outside `.workshop`. It reads TMPDIR
 * while it loads; so where this process is about to load it anyway, it loads here, with another TMPDIR meanwhile.
 */
async function loadTsxWithItsCacheInside() {
  const inside = process.env.EVERY_CORE_CACHE
  if (inside === undefined || !process.execArgv.includes('tsx')) return
  // Without a place for it, it keeps none.
  const [name, value] = inside === '' ? ['TSX_DISABLE_CACHE', '1'] : ['TMPDIR', inside]
  const before = process.env[name]
  process.env[name] = value
  try {
    // @ts-expect-error it has no types: only its effect is wanted
    await import('tsx')
  } finally {
    if (before === undefined) delete process.env[name]
    else process.env[name] = before
  }
}

/** A whole collection, then what is left. Bytes. */
function collectAndMeasure() {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc')
  collect()
  collect()
  const { heapUsed, rss, external, arrayBuffers } = process.memoryUsage()
  return { heapUsed, rss, external, arrayBuffers }
}

/**
 * Does a piece of work that is always the same, and tells how many ms it took. It is of the kind that a page is made
 * of (a pattern looked for in a text, pieces put together), since a core is not slow for everything at once: beside a
 * busy sibling thread on the same core such work took half as long again here, and arithmetic the same. The first
 * time is not counted: it brings code and text back into the caches.
 */
function gauge() {
  gaugeWork()
  const start = performance.now()
  gaugeWork()
  return performance.now() - start
}

const gaugePattern =
  /(^\s*['"]use strict['"])|(\b(?:const|let|var|function|await|return)\b)|("[^"\n]*")|(&[a-z]+;)|(<\/?[a-z]+)|(\b\d+(?:\.\d+)?\b)/g
const gaugeText =
  `<li>const answer = await fetch("http://127.0.0.1/") &amp; 42</li> plain words, and some more of them\n`.repeat(
    150,
  )
let gaugeSum = 0

function gaugeWork() {
  /** @type {string[]} */
  const pieces = []
  let last = 0
  gaugePattern.lastIndex = 0
  for (let found = gaugePattern.exec(gaugeText); found !== null; found = gaugePattern.exec(gaugeText)) {
    pieces.push(gaugeText.slice(last, found.index).replaceAll('&', '&amp;'), '<i>', found[0], '</i>')
    last = found.index + found[0].length
  }
  // Something has to come of it, or it could be left out.
  gaugeSum += pieces.join('').length
}

/** @type {unknown[]} */
const hoard = []

/**
 * @param {{ do: string, ms?: number, code?: number, bytes?: number, message?: unknown, worker?: number, id?: number,
 *   words?: string, on?: boolean,
 *   env?: Record<string, string>, options?: Record<string, unknown>, headers?: [string, string | string[]][] }} command
 * @param {Report} report
 */
function obey(command, report) {
  switch (command.do) {
    case 'block': {
      const end = performance.now() + (command.ms ?? Infinity)
      while (performance.now() < end);
      break
    }
    case 'throw':
      throw new Error('Every Core: a fault injected by the checker')
    case 'reject':
      void Promise.reject(new Error('Every Core: a fault injected by the checker'))
      break
    case 'exit':
      process.exit(command.code ?? 0)
      break
    case 'allocate':
      hoard.push(Buffer.alloc(command.bytes ?? 0, 1))
      break
    case 'release':
      released = true
      for (const pass of held.splice(0)) pass()
      break
    case 'send':
      process.send?.(command.message)
      break
    case 'send-to-worker':
      cluster.workers?.[command.worker ?? 0]?.send(/** @type {any} */ (command.message), () => {})
      break
    case 'hold-messages':
      holdMessages(report)
      report('obeyed', { id: command.id })
      break
    case 'release-messages':
      releaseMessages()
      break
    case 'next-forks':
      forNextForks.env = command.env ?? {}
      forNextForks.options = command.options
      report('obeyed', { id: command.id })
      break
    case 'kill-next-fork':
      doomedForks += 1
      report('obeyed', { id: command.id })
      break
    case 'watch-requests':
      watchRequests(report, command.headers ?? [])
      report('obeyed', { id: command.id })
      break
    case 'die-at-request':
      fatalWords = command.words
      watchRequests(report, requestsWatched?.headers ?? [])
      report('obeyed', { id: command.id })
      break
    case 'heap':
      report('heap', { id: command.id, ...collectAndMeasure() })
      break
    case 'environment':
      report('environment', {
        id: command.id,
        env: process.env,
        argv: process.argv,
        execArgv: process.execArgv,
      })
      break
    case 'resources':
      report('resources', { id: command.id, types: process.getActiveResourcesInfo() })
      break
    // What was gauged since the last time, and on from here; or no more.
    case 'gauge':
      report('gauge', { id: command.id, times: gauged ?? [] })
      gauged = command.on === false ? undefined : []
      break
    case 'usage': {
      const { user, system } = process.cpuUsage()
      const { active } = performance.eventLoopUtilization()
      report('usage', { id: command.id, cpuMs: (user + system) / 1000, activeMs: active })
      break
    }
  }
}
