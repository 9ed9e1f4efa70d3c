import { existsSync, readdirSync } from 'node:fs'
import { connect } from 'node:net'
import { dirname } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Keeper, type Plan } from './keeper.ts'
import { seconds, until } from './patience.ts'
import { Cancelled } from './problems.ts'
import type { Program } from './program.ts'
import { lives, openKept, type Kept } from './testing/kept.ts'

const STAYS = 'setInterval(() => {}, 1_000); console.log("here")'
const IGNORES_SIGTERM = `process.on('SIGTERM', () => {}); ${STAYS}`
/** Starts a child in a session of its own, with an environment of its own, and says its pid. */
const LEAVES_A_CHILD = `
  import { spawn } from 'node:child_process'
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1_000)'], {
    detached: true, stdio: 'ignore', env: {},
  })
  child.unref()
  console.log(child.pid)
  setInterval(() => {}, 1_000)`

let kept: Kept
beforeAll(async () => {
  kept = await openKept()
})
afterAll(() => kept[Symbol.asyncDispose]())

async function firstLine(program: Program): Promise<string | undefined> {
  return program.until(() => program.lines('stdout')[0], { within: seconds(10) })
}

async function gone(pids: readonly number[]): Promise<boolean> {
  const all = await until(() => pids.every((pid) => !lives(pid)) || undefined, { within: seconds(5) })
  return all === true
}

/** A program's parent. */
async function keeperOf(program: Program | undefined): Promise<number> {
  const hello = await program?.until(() => program.eventsOf('hello')[0], { within: seconds(10) })
  if (hello === undefined) throw new Error('nobody observes the program')
  return hello.ppid
}

describe('ports', () => {
  test('are never given twice, however many ask at once', async () => {
    const replies = await Promise.all(
      Array.from({ length: 60 }, () => kept.keeper.request<{ port: number }>({ do: 'port' })),
    )
    expect(new Set(replies.map(({ port }) => port)).size).toBe(60)
  })

  test('lie below those that the system gives out itself', async () => {
    const { port } = await kept.keeper.request<{ port: number }>({ do: 'port' })
    expect(port).toBeGreaterThanOrEqual(20_000)
    expect(port).toBeLessThan(32_000)
  })
})

describe('a program', () => {
  test('finds its port in PORT, and its lines are told one by one', async () => {
    await using program = await kept.start(
      'console.log(process.env.PORT + "\\nsecond"); console.error("third")',
    )
    await program.until(() => program.ended, { within: seconds(10), alive: false })
    await program.until(() => program.eventsOf('closed')[0], { within: seconds(10), alive: false })
    expect(program.lines('stdout')).toEqual([String(program.port), 'second'])
    expect(program.lines('stderr')).toEqual(['third'])
    expect(program.ended).toEqual({ code: 0, signal: null })
  })

  test('is told of with a last line that has no end', async () => {
    await using program = await kept.start('process.stdout.write("no newline")')
    await program.until(() => program.eventsOf('closed')[0], { within: seconds(10), alive: false })
    expect(program.lines('stdout')).toEqual(['no newline'])
  })

  test('whose command is not there is not started', async () => {
    const plan = { ...kept.plan(kept.write('any.mjs', STAYS)), argv: ['/nowhere/node', 'any.mjs'] }
    await using program = await kept.hold('start', plan)
    const event = await until(() => program.eventsOf('not-started')[0], { within: seconds(10) })
    expect(event?.message).toContain('ENOENT')
  })

  test('that ignores SIGTERM goes when it is ended', async () => {
    await using program = await kept.start(IGNORES_SIGTERM)
    await firstLine(program)
    await program.signal('SIGTERM')
    await program.end()
    expect(await gone([program.pid])).toBe(true)
  })

  test('takes a detached child without an environment with it', async () => {
    await using program = await kept.start(LEAVES_A_CHILD)
    const child = Number(await firstLine(program))
    expect(lives(child)).toBe(true)
    await program.end()
    expect(await gone([program.pid, child])).toBe(true)
  })

  test('that has ended still answers for the child that it left', async () => {
    await using program = await kept.start(`${LEAVES_A_CHILD}; setImmediate(() => process.exit(0))`)
    await program.until(() => program.ended, { within: seconds(10), alive: false })
    const child = Number(program.lines('stdout')[0])
    expect((await program.processes()).map(({ pid }) => pid)).toEqual([child])
    await program.end()
    expect(await gone([child])).toBe(true)
  })

  test('that prints without end is stopped, and it is said why', async () => {
    const line = `'x'.repeat(65_535) + '\\n'`
    await using program = await kept.start(
      `import { writeSync } from 'node:fs'; for (;;) writeSync(1, ${line})`,
    )
    const limit = await until(() => program.eventsOf('limit')[0], { within: seconds(30) })
    expect(limit?.limit).toBe('output')
    expect(await gone([program.pid])).toBe(true)
  })

  test('that forks without end is stopped, and it is said why', async () => {
    const source = `
      import { fork } from 'node:child_process'
      import { fileURLToPath } from 'node:url'
      // Two a process: twice as many each time, and still little beside the other tests.
      fork(fileURLToPath(import.meta.url))
      fork(fileURLToPath(import.meta.url))
      setInterval(() => {}, 1_000)`
    await using program = await kept.start(source)
    const limit = await until(() => program.eventsOf('limit')[0], { within: seconds(50) })
    expect(limit?.limit).toBe('processes')
    await program.end()
    expect(await program.processes()).toEqual([])
  })
})

describe('a program that was started ahead', () => {
  test('is adopted once, with all that has happened since', async () => {
    const plan = await startedAhead('ahead')
    await using first = await kept.hold('adopt', plan)
    await using second = await kept.hold('adopt', plan)
    expect(first.eventsOf('started')).toHaveLength(1)
    await firstLine(second)
    expect(second.pid).not.toBe(first.pid)
    expect(second.port).not.toBe(first.port)
    expect(existsSync(`${plan.argv[1]}-${first.pid}`)).toBe(true)
  })

  test('is left to who wants the same environment', async () => {
    const plan = await startedAhead('ahead-too')
    await using other = await kept.hold('adopt', { ...plan, env: { ...plan.env, WORKERS: '3' } })
    await using same = await kept.hold('adopt', plan)
    await firstLine(other)
    expect(existsSync(`${plan.argv[1]}-${same.pid}`)).toBe(true)
    expect(other.pid).not.toBe(same.pid)
  })

  /** Starts one, and waits until it has said so in a file of its own. */
  async function startedAhead(name: string): Promise<Plan> {
    const source = `import fs from 'node:fs'; fs.writeFileSync(process.argv[1] + '-' + process.pid, ''); ${STAYS}`
    const file = kept.write(`${name}.mjs`, source)
    const plan = kept.plan(file)
    kept.startAhead(plan)
    const folder = dirname(file)
    const told = (): true | undefined =>
      readdirSync(folder).some((entry) => entry.startsWith(`${name}.mjs-`)) || undefined
    expect(await until(told, { within: seconds(10) })).toBe(true)
    return plan
  }
})

describe('a request', () => {
  test('for a program that is not there is refused with a reason', async () => {
    await expect(kept.keeper.request({ do: 'usage', key: 'p999' })).rejects.toThrow('no program p999')
  })

  test('that the keeper does not know is refused with a reason', async () => {
    await using program = await kept.start(STAYS)
    const request = { do: 'dance', key: program.identity.key }
    await expect(kept.keeper.request(request)).rejects.toThrow('unknown request dance')
  })

  test('of a stranger cuts the connection', async () => {
    const socket = connect(kept.address.port, '127.0.0.1')
    socket.write(`${JSON.stringify({ type: 'harness', token: 'guessed' })}\n`)
    const closed = new Promise<boolean>((resolve) => {
      socket.on('close', () => resolve(true)).on('error', () => {})
    })
    expect(await closed).toBe(true)
  })
})

describe('the end of the keeper', () => {
  test('is the end of every program, and of every wait for it', async () => {
    await using own = await openKept()
    const programs = [await own.start(IGNORES_SIGTERM), await own.start(LEAVES_A_CHILD)]
    const [, child] = await Promise.all(programs.map((program) => firstLine(program)))
    const keeper = await Keeper.connect(own.address)
    await own[Symbol.asyncDispose]()
    expect(await gone([...programs.map(({ pid }) => pid), Number(child)])).toBe(true)
    await expect(Promise.resolve().then(() => keeper.request({ do: 'port' }))).rejects.toBeInstanceOf(
      Cancelled,
    )
    await expect(Keeper.connect(own.address)).rejects.toBeInstanceOf(Cancelled)
  })

  test('by SIGKILL takes every observed process along', async () => {
    await using own = await openKept()
    const programs = [await own.start(IGNORES_SIGTERM), await own.start(LEAVES_A_CHILD)]
    const [, child] = await Promise.all(programs.map((program) => firstLine(program)))
    const observed = await until(() => programs[1]?.eventsOf('hello')[1], { within: seconds(10) })
    expect(observed?.pid).toBe(Number(child))
    process.kill(await keeperOf(programs[0]), 'SIGKILL')
    expect(await gone([...programs.map(({ pid }) => pid), Number(child)])).toBe(true)
  })

  test('by SIGKILL ends a process whose event loop is blocked too', async () => {
    await using own = await openKept()
    const program = await own.start('console.log("here"); setImmediate(() => { for (;;); })')
    await firstLine(program)
    process.kill(await keeperOf(program), 'SIGKILL')
    try {
      expect(await gone([program.pid])).toBe(true)
    } finally {
      if (lives(program.pid)) process.kill(program.pid, 'SIGKILL')
    }
  })
})
