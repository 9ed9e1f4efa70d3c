// Installs the dependencies, once, however many commands ask for them at the same time.

/** @typedef {import('./lock.mjs').Lock} Lock */

import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { holdLock } from './lock.mjs'
import { readyToRun } from './needed.mjs'

const signals = /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])

/** The reason stands first in what npm prints. */
const keptOutput = 3000

// The project's own level is silent, and a person's settings may leave out what the workshop is made of.
const settings = ['--loglevel=error', '--include=dev', '--include=optional', '--no-audit', '--no-fund']

/**
 * @param {string} root the project
 * @returns {Promise<string | undefined>} why it did not work, and what to do
 */
export async function install(root) {
  let lock
  try {
    lock = await holdLock(join(root, '.workshop', 'install.lock'), say)
  } catch (error) {
    return `The dependencies are not installed, and ${root} cannot be written to (${messageOf(error)}).\nCopy the project to a folder of your own.`
  }
  try {
    if (readyToRun(root)) return undefined
    return await runNpm(root, lock)
  } finally {
    lock.release()
  }
}

/**
 * @param {string} root
 * @param {Lock} lock
 */
async function runNpm(root, lock) {
  say('Installing the dependencies (npm ci). This happens once.')
  const startedAt = Date.now()
  let end = await npm(root, lock, ['ci', ...settings])
  // A lock file made where a registry does not serve other platforms' binaries lacks these: npm ci then refuses,
  // while npm install takes the locked versions and adds what is missing.
  if (/\bEUSAGE\b/.test(end.output)) end = await npm(root, lock, ['install', '--no-save', ...settings])
  if (end.how === 'well' && readyToRun(root)) {
    say(`Installed in ${((Date.now() - startedAt) / 1000).toFixed(0)} s.`)
    return undefined
  }
  if (end.how === 'interrupted') return 'The installation was interrupted; the next command starts it again.'
  const how = end.how === 'well' ? 'it left packages out' : end.how
  return `The dependencies could not be installed: ${how}.\n\n${end.output.trim() || 'npm printed nothing.'}\n\nMend that, then try again.`
}

/**
 * @param {string} root
 * @param {Lock} lock
 * @param {string[]} args
 * @returns {Promise<{ how: string, output: string }>} `well`, `interrupted`, or what went wrong
 */
function npm(root, lock, args) {
  const path = process.env.npm_execpath
  const itself = path !== undefined && /npm-cli\.c?js$/.test(path)
  const file = itself ? process.execPath : 'npm'
  return new Promise((resolve) => {
    const child = spawn(file, itself ? [path, ...args] : args, {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    if (child.pid !== undefined) lock.share(child.pid)
    let output = ''
    let interrupted = false
    // Two npm at once in one folder would spoil it, so this one ends before the lock is given back.
    const stop = () => {
      interrupted = true
      child.kill('SIGTERM')
    }
    for (const signal of signals) process.on(signal, stop)
    /** @param {string} how */
    const end = (how) => {
      for (const signal of signals) process.off(signal, stop)
      resolve({ how: interrupted ? 'interrupted' : how, output })
    }
    /** @param {Buffer} chunk */
    const keep = (chunk) => {
      output = (output + chunk.toString()).slice(0, keptOutput)
    }
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)
    child.on('error', (error) => end(`npm did not start (${error.message})`))
    child.on('close', (code, signal) => end(code === 0 ? 'well' : `npm ended with ${code ?? signal}`))
  })
}

/** @param {string} line */
function say(line) {
  process.stderr.write(`${line}\n`)
}

/** @param {unknown} error */
function messageOf(error) {
  return error instanceof Error ? error.message : String(error)
}
