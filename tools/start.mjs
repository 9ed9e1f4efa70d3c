// Starts a command of the workshop. Plain JavaScript without dependencies, because it is what installs them; it costs
// a few milliseconds when there is nothing to install. Its syntax is old on purpose: an old Node must get as far as
// the sentence that says so.

import { accessSync, constants, mkdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

/** Each module exports `main(args: readonly string[]): Promise<number>`; the number is the exit code. */
const commands = {
  lesson: './cli/lesson.ts',
  check: './cli/check.ts',
  doctor: './cli/doctor.ts',
  slides: './cli/slides.ts',
  flakiness: './audit/flakiness.ts',
  coverage: './audit/coverage.ts',
  bench: './audit/bench.ts',
  mutants: './audit/mutants.ts',
  test: './audit/test.ts',
}

/**
 * What a grading loads anyway. Hundreds of modules load three times as fast before tsx takes part in every import
 * (0.2 s against 0.7 s).
 */
const loadedFirst = {
  check: ['vitest/node', 'log-update', 'picocolors', 'string-width', 'wrap-ansi'],
  lesson: [
    'vitest/node',
    'log-update',
    'picocolors',
    'string-width',
    'wrap-ansi',
    'chokidar',
    'markdown-it/browser',
  ],
}

/** Options of the commands that npm swallows without a word when they stand before `--`. */
const swallowable = [
  'json',
  'output',
  'junit',
  'markdown',
  'compare',
  'solutions',
  'file',
  'seed',
  'plain',
  'take',
]

/** What follows the options that take something. */
const operands = {
  file: ' PATH',
  output: ' FILE',
  junit: ' FILE',
  markdown: ' FILE',
  compare: ' A B',
  seed: ' N',
}

/** What `npm run doctor` calls too few, too: with less, a right program would fail. */
const leastOpenFiles = 128
const leastProcesses = 300

const tooFewFiles =
  'Too few files may be open at a time here: connections and modules are open files too.\n' +
  'Raise the limit in this shell: ulimit -n 4096'

const tooFewProcesses =
  'Too few processes and threads may live at a time here: a check had some 300 on two cores.\n' +
  'Raise the limit in this shell: ulimit -u 4096'

const root = dirname(dirname(fileURLToPath(import.meta.url)))

// Where nothing is left to wait for and no command has ended, nothing was graded: that is no success.
process.once('beforeExit', () => void blameTheWorkshop(new Error('The command stopped before its end.')))
start(process.argv.slice(2)).then(end, blameTheWorkshop)

/**
 * @param {string[]} argv the command and its arguments
 * @returns {Promise<number>} the exit code
 */
async function start(argv) {
  const name = argv[0]
  const args = argv.slice(1)
  const refusal = refusalOf(name)
  if (refusal !== undefined) return refuse(refusal)
  process.on('uncaughtException', blameTheWorkshop)
  const { readyToRun } = await import('./cli/install/needed.mjs')
  if (!readyToRun(root)) {
    const { install } = await import('./cli/install/install.mjs')
    const problem = await install(root)
    if (problem !== undefined) return refuse(problem)
  }
  await Promise.all(librariesOf(name, args).map((library) => import(library)))
  await loadTypeScript()
  const path = commands[/** @type {keyof typeof commands} */ (name)]
  /** @type {{ main(args: readonly string[]): Promise<number> }} */
  const command = await import(pathToFileURL(join(root, 'tools', path)).href)
  return command.main(args)
}

/**
 * @param {string | undefined} name
 * @param {string[]} args
 * @returns {string[]} what to load before tsx; nothing for a command that is not likely to grade
 */
function librariesOf(name, args) {
  if (args.includes('--help')) return []
  if (name === 'check') return loadedFirst.check
  const offline = ['predict', 'read', 'run', 'solution', 'reset', 'hint']
  const studies = name === 'lesson' && args.length > 0 && !args.some((arg) => offline.includes(arg))
  return studies ? loadedFirst.lesson : []
}

/**
 * tsx keeps compiled files in the temporary folder; nothing of the workshop belongs outside of `.workshop/`. Where
 * that cannot be written to, it compiles them each time.
 */
async function loadTypeScript() {
  const cache = join(root, '.workshop', 'cache')
  const before = { TMPDIR: process.env.TMPDIR, TSX_DISABLE_CACHE: process.env.TSX_DISABLE_CACHE }
  if (canWriteTo(cache)) process.env.TMPDIR = cache
  else process.env.TSX_DISABLE_CACHE = '1'
  try {
    const { register } = await import('tsx/esm/api')
    register()
  } finally {
    for (const [name, value] of Object.entries(before)) {
      if (value === undefined) delete process.env[name]
      else process.env[name] = value
    }
  }
}

/** @param {string} folder */
function canWriteTo(folder) {
  try {
    mkdirSync(folder, { recursive: true })
    accessSync(folder, constants.W_OK)
    return true
  } catch {
    return false
  }
}

/**
 * @param {string | undefined} name
 * @returns {string | undefined} why this cannot start, and what to do
 */
function refusalOf(name) {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  if (major < 20 || (major === 20 && minor < 19)) {
    return (
      `Every Core needs Node 20.19 or newer, and this is ${process.version}.\n` +
      'Install a current one from https://nodejs.org and try again.'
    )
  }
  const character = /[#?*]/.exec(root)
  if (character !== null) {
    return (
      `The path of the project has a ${character[0]} in it, which the libraries that load files take for something else: ${root}\n` +
      'Rename that folder, or move the project.'
    )
  }
  if (process.platform === 'win32') {
    return (
      'Every Core does not run on Windows itself: signals are part of its subject.\n' +
      'Use the Windows Subsystem for Linux (https://learn.microsoft.com/windows/wsl/install), with Node and this project in it.'
    )
  }
  if (name === undefined || !Object.prototype.hasOwnProperty.call(commands, name)) {
    const given = name === undefined ? 'No command is given' : `There is no command ${name}`
    return `${given}: choose ${Object.keys(commands).join(', ')}.`
  }
  // The doctor tells more of it. Node itself raises the soft limit to the hard one as it starts.
  if (name !== 'doctor') {
    if (limitOf('open files') < leastOpenFiles) return tooFewFiles
    // Root is not bound by it.
    if (process.getuid?.() !== 0 && limitOf('processes') < leastProcesses) return tooFewProcesses
  }
  if (name === 'check' || name === 'lesson' || name === 'doctor' || name === 'slides') {
    for (const option of swallowable) {
      const value = process.env[`npm_config_${option}`]
      if (value === undefined) continue
      const dir = name === 'slides' && option === 'output' ? ' DIR' : undefined
      const operand = dir ?? operands[/** @type {keyof typeof operands} */ (option)] ?? ''
      return `npm took --${option} for itself: put \`--\` before it: npm run ${name} -- --${option}${operand}`
    }
  }
  return undefined
}

/**
 * What the kernel lets this user, or this process, have. Where there is no /proc it is not told, and taken for enough.
 * @param {'open files' | 'processes'} what
 */
function limitOf(what) {
  try {
    const limits = readFileSync('/proc/self/limits', 'latin1')
    return Number(new RegExp(`^Max ${what}\\s+(\\d+)`, 'm').exec(limits)?.[1] ?? Infinity)
  } catch {
    return Infinity
  }
}

/** @param {string} why */
function refuse(why) {
  process.stderr.write(`${why}\n`)
  return 2
}

/** What has been written to a pipe reaches it first. @param {number} code */
function end(code) {
  process.exitCode = code
  process.stdout.write('', () => process.stderr.write('', () => process.exit(code)))
}

/** @param {unknown} error */
async function blameTheWorkshop(error) {
  process.off('uncaughtException', blameTheWorkshop)
  const advice = adviceFor(error)
  if (advice !== undefined) return end(refuse(advice))
  const { reportFault } = await import('./cli/fault.mjs')
  process.stderr.write(reportFault(root, error, process.argv.slice(2)))
  end(4)
}

/**
 * @param {unknown} error
 * @returns {string | undefined} what to do about a machine that is not fit; undefined where it is our own fault
 */
function adviceFor(error) {
  const { code, syscall, message } = /** @type {NodeJS.ErrnoException} */ (error ?? {})
  if (code === 'EMFILE' || code === 'ENFILE') return tooFewFiles
  // ENOSPC of another call: no file events are left, which is no matter of room.
  if (code === 'EDQUOT' || code === 'EFBIG' || (code === 'ENOSPC' && syscall === 'write'))
    return `There is no room left to write to (${message}). Make room, and try again.`
  return undefined
}
