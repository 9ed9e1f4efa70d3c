/** Where a secret can be found that only the first process of a program may hold. */

import { open, readFile } from 'node:fs/promises'
import type { Program } from './program.ts'

/** A place where it was found, in words: `the environment of worker 1`, `a line on stdout`, … */
export interface Finding {
  readonly place: 'environment' | 'command line' | 'message' | 'log' | 'memory'
  readonly where: string
}

/** How a secret may look: itself, hexadecimal, base64 (at each of three offsets), its bytes as decimal numbers. */
export function formsOf(secret: string): readonly string[] {
  const bytes = Buffer.from(secret)
  const base64 = [0, 1, 2].map((offset) => {
    const shifted = Buffer.concat([Buffer.alloc(offset), bytes]).toString('base64')
    // What the neighbours take part in is left out at both ends.
    return shifted.slice(offset === 0 ? 0 : 4, (offset + bytes.length) % 3 === 0 ? undefined : -4)
  })
  const url = base64.map((text) => text.replaceAll('+', '-').replaceAll('/', '_'))
  const hex = bytes.toString('hex')
  return [...new Set([secret, hex, hex.toUpperCase(), ...base64, ...url, [...bytes].join(',')])]
}

/**
 * Looks for it in what the program's other processes were given and have (environments, command lines, memory), in
 * its IPC messages (of a program started with `recordMessages`), and in what it has printed. Processes that tsx
 * started in the primary, before the program's first line, are left out. Memory and the kernel's view of a process
 * are there on Linux only, and only where it allows to look.
 */
export async function findSecret(program: Program, secret: string): Promise<Finding | undefined> {
  const forms = formsOf(secret)
  const holds = (text: string): boolean => forms.some((form) => text.includes(form))
  return (
    inWhatWasGiven(program, holds) ??
    inMessages(program, holds) ??
    inLines(program, holds) ??
    (await inProcesses(program, forms, holds))
  )
}

type Holds = (text: string) => boolean

function inWhatWasGiven(program: Program, holds: Holds): Finding | undefined {
  for (const { childPid, file, args, env } of program.eventsOf('given')) {
    if (isEsbuild(file)) continue
    const name = nameOf(program, childPid)
    if (env.some(holds)) return { place: 'environment', where: `the environment of ${name}` }
    if (args.some(holds)) return { place: 'command line', where: `the command line of ${name}` }
  }
  return undefined
}

function inMessages(program: Program, holds: Holds): Finding | undefined {
  const message = program.eventsOf('message').find(({ json }) => holds(json))
  if (message === undefined) return undefined
  const { pid, to } = message
  const [from, towards] = [nameOf(program, pid), to === null ? 'the primary' : nameOf(program, to)]
  return { place: 'message', where: `a message from ${from} to ${towards}` }
}

function inLines(program: Program, holds: Holds): Finding | undefined {
  const line = program.eventsOf('line').find(({ text }) => holds(text))
  return line && { place: 'log', where: `a line on ${line.stream}` }
}

async function inProcesses(
  program: Program,
  forms: readonly string[],
  holds: Holds,
): Promise<Finding | undefined> {
  const processes = await program.processes()
  for (const { pid } of processes) {
    if (pid === program.pid) continue
    const commandLine = await contentOf(`/proc/${pid}/cmdline`)
    if (isEsbuild(commandLine ?? '') && (await parentOf(pid)) === program.pid) continue
    const name = nameOf(program, pid)
    if (holds((await contentOf(`/proc/${pid}/environ`)) ?? ''))
      return { place: 'environment', where: `the environment of ${name}` }
    if (holds(commandLine ?? '')) return { place: 'command line', where: `the command line of ${name}` }
    if (program.workers.some((worker) => worker.pid === pid && worker.state === 'listening')) {
      const seen = await program.environment(pid)
      if (seen !== undefined && Object.values(seen.env).some(holds))
        return { place: 'environment', where: `process.env of ${name}` }
      if (seen !== undefined && [...seen.argv, ...seen.execArgv].some(holds))
        return { place: 'command line', where: `the command line of ${name}` }
    }
    if (await isInMemory(pid, forms)) return { place: 'memory', where: `the memory of ${name}` }
  }
  return undefined
}

function nameOf(program: Program, pid: number): string {
  if (pid === program.pid) return 'the primary'
  const worker = program.workers.find((worker) => worker.pid === pid)
  return worker === undefined ? 'another process' : `worker ${worker.id}`
}

/** tsx transpiles with the help of a process of its own. */
function isEsbuild(file: string): boolean {
  return file.includes('esbuild')
}

async function parentOf(pid: number): Promise<number> {
  return Number(/^PPid:\s*(\d+)/m.exec((await contentOf(`/proc/${pid}/status`)) ?? '')?.[1] ?? 0)
}

async function contentOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'latin1')
  } catch {
    return undefined
  }
}

const PIECE_BYTES = 4 * 1024 ** 2

/** Whether one of these texts stands in the writable memory of a process, as one-byte or two-byte characters. */
async function isInMemory(pid: number, forms: readonly string[]): Promise<boolean> {
  const maps = await contentOf(`/proc/${pid}/maps`)
  if (maps === undefined) return false
  const needles = forms.flatMap((form) => [Buffer.from(form, 'latin1'), Buffer.from(form, 'utf16le')])
  const overlap = Math.max(...needles.map((needle) => needle.length))
  try {
    await using memory = await open(`/proc/${pid}/mem`, 'r')
    const piece = Buffer.alloc(PIECE_BYTES)
    for (const line of maps.split('\n')) {
      const [, from = '', to = ''] = /^([\da-f]+)-([\da-f]+) rw/.exec(line) ?? []
      if (from === '') continue
      const end = Number.parseInt(to, 16)
      for (let at = Number.parseInt(from, 16); at < end; at += PIECE_BYTES - overlap) {
        const length = Math.min(PIECE_BYTES, end - at)
        const read = await memory.read(piece, 0, length, at).catch(() => undefined)
        if (read === undefined) break
        const bytes = piece.subarray(0, read.bytesRead)
        if (needles.some((needle) => bytes.includes(needle))) return true
      }
    }
  } catch {
    return false // the kernel does not let one process look into another here
  }
  return false
}
