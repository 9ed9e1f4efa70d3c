/**
 * The keeper: one small process per run that is the parent of every program under check. It outlives nobody: its
 * standard input is a pipe from the checker, and when that pipe ends, however the checker ended, the keeper kills
 * every process of the run and goes. It relays what observers report and what programs print.
 *
 * It speaks lines of JSON over a loopback connection: from observers, and to and from the harness.
 * First line on its standard output: `{ "port": …, "token": … }`.
 */

import { randomBytes } from 'node:crypto'
import net from 'node:net'
import { performance } from 'node:perf_hooks'
import { createInterface } from 'node:readline'
import { Folders } from './folders.mjs'
import { isProcess, KeptProgram } from './kept-program.mjs'
import { freePort } from './ports.mjs'
import { processesOfRun } from './process-table.mjs'

/** More processes than this from one program are a fork bomb. */
const PROCESS_LIMIT = 128
/** A worker of these lessons needs some 100 MB. */
const MEMORY_LIMIT_BYTES = 1024 ** 3
const SCAN_EVERY_MS = 300
/** Who says hello needs a line of some 200 bytes for it. */
const LONGEST_HELLO_BYTES = 65_536

const run = randomBytes(6).toString('hex')
const token = randomBytes(12).toString('hex')
const folders = new Folders(run)
/** @type {Map<string, KeptProgram>} */
const programs = new Map()
/** @type {Set<net.Socket>} */
const harnesses = new Set()
let nextKey = 0
let leaving = false

const server = net.createServer(welcome).listen(0, '127.0.0.1', () => {
  const { port } = /** @type {net.AddressInfo} */ (server.address())
  process.stdout.write(`${JSON.stringify({ port, token, run })}\n`)
})

// The checker's end is the keeper's: a pipe closes even when its owner is killed.
const lifeline = createInterface({ input: process.stdin })
lifeline.on('line', (line) => void serve(JSON.parse(line), undefined))
lifeline.on('close', () => void leave())
process.stdin.on('error', () => void leave())
process.stdout.on('error', () => {})
for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) process.on(signal, () => {})

setInterval(scan, SCAN_EVERY_MS).unref()

/** Whoever connects says first what it is. @param {net.Socket} socket */
function welcome(socket) {
  socket.setNoDelay(true).on('error', () => socket.destroy())
  /** @type {KeptProgram | undefined} */
  let observed
  let trusted = false
  let pid = 0
  let bytes = 0
  // A program may send what it likes here, also a line without end.
  socket.on('data', (chunk) => {
    bytes += chunk.length
    if (!trusted && bytes > LONGEST_HELLO_BYTES) socket.destroy()
  })
  const lines = createInterface({ input: socket })
  lines.on('error', () => {})
  lines.on('line', (line) => {
    const message = parse(line)
    if (message === undefined) return
    if (!trusted) {
      if (message.token !== token) return void socket.destroy()
      trusted = true
      if (message.type === 'harness') return void harnesses.add(socket)
      observed = programs.get(String(message.run).split('/')[1] ?? '')
      if (observed === undefined || !isProcess(message.pid)) return void socket.destroy()
      pid = message.pid
      const { token: _, ...hello } = message
      observed.welcome(pid, socket, hello)
      if (observed.observers.size > PROCESS_LIMIT) void exceed(observed, 'processes', observed.observers.size)
      return
    }
    if (observed !== undefined) observed.heard(message)
    else void serve(message, socket)
  })
  socket.on('close', () => {
    harnesses.delete(socket)
    observed?.lost(pid, socket)
  })
}

/** An object; undefined for any other line. @param {string} line */
function parse(line) {
  try {
    const message = JSON.parse(line)
    return typeof message === 'object' && message !== null ? message : undefined
  } catch {
    return undefined
  }
}

/** @param {any} request @param {net.Socket | undefined} from */
async function serve(request, from) {
  let reply
  try {
    reply = await answer(request)
  } catch (error) {
    reply = { error: error instanceof Error ? error.message : String(error) }
  }
  from?.write(`${JSON.stringify({ reply: request.id, ...reply })}\n`)
}

/** @param {any} request @returns {Promise<Record<string, unknown>>} */
async function answer(request) {
  const program = programs.get(request.key)
  switch (request.do) {
    case 'port':
      return { port: await freePort() }
    case 'folder':
      return { path: folders.next(request.root) }
    case 'start':
      return start(request.plan)
    case 'adopt':
      return adopt(request.plan)
  }
  if (program === undefined) return { error: `no program ${request.key}` }
  switch (request.do) {
    case 'history':
      return { events: program.history() }
    case 'signal':
      return { sent: program.signal(request.pid, request.signal) }
    case 'tell':
      return { told: program.tell(request.pid, request.command) }
    case 'write':
      program.write(request.text)
      return {}
    case 'usage':
      return program.usage()
    case 'resources':
      return { processes: await program.resources() }
    case 'gauge':
      return { processes: await program.gauge(request.on) }
    case 'processes':
      return { processes: processesOfRun(program.tag) }
    case 'end':
      return { survivors: await program.end() }
    default:
      return { error: `unknown request ${request.do}` }
  }
}

/** @typedef {import('./kept-program.mjs').Plan} Plan */

/** @param {Plan} plan */
async function start(plan) {
  if (leaving) return { error: 'the run is over' }
  nextKey += 1
  const key = `p${nextKey}`
  const port = plan.port ?? (await freePort())
  const adminPort = await freePort()
  const dataDir = plan.dataDir ?? folders.next(plan.cwd)
  const { port: keeperPort } = /** @type {net.AddressInfo} */ (server.address())
  const program = new KeptProgram(
    key,
    { ...plan, port, adminPort, dataDir },
    { run, keeper: `${keeperPort}:${token}` },
    tellHarnesses,
  )
  programs.set(key, program)
  program.start()
  return { key, port, adminPort, dataDir, pid: program.pid }
}

/** Hands over a program that was started ahead with the same plan, once; else starts one. @param {Plan} plan */
function adopt(plan) {
  for (const program of programs.values()) {
    if (program.ahead && program.alike(plan)) {
      program.ahead = false
      const { port, adminPort, dataDir } = program.plan
      return Promise.resolve({ key: program.key, port, adminPort, dataDir, pid: program.pid })
    }
  }
  return start(plan)
}

/** @param {Record<string, unknown>} event */
function tellHarnesses(event) {
  const line = `${JSON.stringify(event)}\n`
  for (const socket of harnesses) socket.write(line)
}

/** Looks at the process table, since a program can start what no observer sees. */
function scan() {
  for (const program of programs.values()) {
    if (program.over) continue
    const processes = processesOfRun(program.tag)
    if (processes.length > PROCESS_LIMIT) void exceed(program, 'processes', processes.length)
    const largest = Math.max(0, ...processes.map((entry) => entry.rssBytes))
    if (largest > MEMORY_LIMIT_BYTES) void exceed(program, 'memory', largest)
  }
}

/** @param {KeptProgram} program @param {string} limit @param {number} value */
async function exceed(program, limit, value) {
  if (program.over) return
  program.exceeded(limit, value)
  await program.end()
}

async function leave() {
  if (leaving) return
  leaving = true
  server.close()
  const deadline = performance.now() + 5_000
  let survivors = 1
  while (survivors > 0 && performance.now() < deadline) {
    const left = await Promise.all([...programs.values()].map((program) => program.end()))
    survivors = left.reduce((sum, count) => sum + count, 0)
  }
  folders.remove()
  process.exit(0)
}
