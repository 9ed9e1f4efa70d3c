import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { EventOf, ProgramEvent } from '../events.ts'
import { dieAtRequest, killNextFork, watchRequests } from '../faults.ts'
import { seconds } from '../patience.ts'
import type { Program } from '../program.ts'
import { openKept, type Kept } from '../testing/kept.ts'

let kept: Kept
beforeAll(async () => {
  kept = await openKept()
})
afterAll(() => kept[Symbol.asyncDispose]())

const IMPORTS = `
  import cluster from 'node:cluster'
  import { fork, spawn } from 'node:child_process'
  import { createServer, get } from 'node:http'
  const port = Number(process.env.PORT)
  const say = (it) => console.log(JSON.stringify(it))
  const answer = (_request, response) => response.end('here');\n`

const start = (source: string, options?: Parameters<Kept['start']>[1]): Promise<Program> =>
  kept.start(IMPORTS + source, options)

/** A cluster whose primary does this and whose workers do that. */
const cluster = (primary: string, worker: string): string =>
  `if (cluster.isPrimary) { ${primary} } else { ${worker} }`

/** The first event of a type for which more holds. */
async function seen<Type extends ProgramEvent['type']>(
  program: Program,
  type: Type,
  more: (event: EventOf<Type>) => boolean = () => true,
): Promise<EventOf<Type>> {
  const event = await program.until(() => program.eventsOf(type).find(more), {
    within: seconds(10),
    alive: false,
  })
  if (event === undefined) throw new Error(`no ${type}: ${program.events.map(({ type }) => type).join(' ')}`)
  return event
}

/** What it says in its first so many lines. */
async function said(program: Program, lines = 1): Promise<readonly unknown[]> {
  const look = (): readonly string[] | undefined => {
    const all = program.lines('stdout')
    return all.length >= lines ? all : undefined
  }
  const all = await program.until(look, { within: seconds(10), alive: false })
  if (all === undefined) throw new Error(`it said ${program.lines('stdout').length} lines`)
  return all.map((line): unknown => JSON.parse(line))
}

async function ended(program: Program) {
  await seen(program, 'closed')
  return program.ended
}

describe('a program that is observed', () => {
  /** What a program can see of its own process. */
  const LOOKS = `
    const counts = (emitter) => Object.fromEntries(emitter.eventNames().map((name) =>
      [String(name), emitter.listenerCount(name)]))
    const server = createServer(answer)
    say({
      names: Object.keys(process.env).filter((name) => !/^(EVERY_CORE_\\w+|NODE_OPTIONS)$/.test(name)).sort(),
      process: counts(process), server: counts(server), keepAlive: process.getActiveResourcesInfo(),
      argv: process.argv.length, execArgv: process.execArgv,
    })\n`

  test('finds the same process as one that is not', async () => {
    await using observed = await start(LOOKS)
    await using alone = await start(LOOKS, { observed: false })
    expect(await said(observed)).toEqual(await said(alone))
  })

  test('finds the same listeners on cluster, and takes none of the observer away', async () => {
    const source = cluster(
      `say(cluster.eventNames().length); cluster.removeAllListeners(); cluster.fork()`,
      'createServer(answer).listen(port)',
    )
    await using program = await start(source)
    expect(await said(program)).toEqual([0])
    expect(await seen(program, 'listening')).toMatchObject({ worker: 1, port: program.port })
  })

  test('prints what it prints itself, and nothing else', async () => {
    await using program = await start(`say('out'); console.error('err'); process.exitCode = 3`)
    expect(await ended(program)).toEqual({ code: 3, signal: null })
    expect(program.lines('stdout')).toEqual(['"out"'])
    expect(program.lines('stderr')).toEqual(['err'])
  })

  test('ends when it has nothing more to do', async () => {
    await using program = await start('')
    expect(await ended(program)).toEqual({ code: 0, signal: null })
  })

  test('is told of up to the tick in which it exits', async () => {
    await using program = await start(
      `const server = createServer(answer); server.listen(port); server.emit('listening'); cluster.fork(); process.exit(5)`,
    )
    expect(await ended(program)).toEqual({ code: 5, signal: null })
    expect(program.eventsOf('server-listening')).toHaveLength(1)
    // Node tells of the fork itself a tick later.
    expect(program.eventsOf('spawning')).toHaveLength(1)
  })
})

describe('the events of a cluster', () => {
  test('tell of every worker from its fork to its end', async () => {
    await using program = await start(
      cluster(
        `const worker = cluster.fork(); worker.on('listening', () => worker.kill())`,
        'createServer(answer).listen(port)',
      ),
    )
    await seen(program, 'exit')
    const types = program.events.flatMap((event) => ('workerPid' in event ? [event.type] : []))
    expect(types.slice(0, 3)).toEqual(['fork', 'online', 'listening'])
    expect(types.slice(3).toSorted()).toEqual(['disconnect', 'exit'])
    const worker = program.workers[0]
    const hello = program.eventsOf('hello').find(({ pid }) => pid === worker?.pid)
    expect(hello).toMatchObject({ worker: 1, ppid: program.pid })
  })

  test('are told of a program in CommonJS, with an exec file and exec arguments of its own', async () => {
    const worker = kept.write(
      'worker.cjs',
      `require('node:http').createServer((_, response) => response.end()).listen(Number(process.env.PORT))`,
    )
    const primary = kept.write(
      'primary.cjs',
      `const cluster = require('node:cluster')
       cluster.setupPrimary({ exec: ${JSON.stringify(worker)}, execArgv: ['--no-warnings'], silent: true })
       cluster.fork()`,
    )
    await using program = await kept.hold('start', kept.plan(primary))
    const { workerPid } = await seen(program, 'listening')
    expect(await seen(program, 'server-listening', ({ pid }) => pid === workerPid)).toMatchObject({
      serves: true,
    })
    expect((await program.environment(workerPid))?.execArgv).toEqual(['--no-warnings'])
  })

  test('tell a server of the program’s own from the bare one of round robin', async () => {
    await using program = await start(
      cluster('cluster.fork(); createServer(answer).listen(port + 1)', 'createServer(answer).listen(port)'),
    )
    await seen(program, 'listening')
    await seen(program, 'server-listening', (event) => event.pid === program.pid && event.serves)
    expect(program.portsOfPrimary()).toEqual([program.port + 1])
  })
})

describe('a server that is told to close', () => {
  test('is told of at once, though a request holds it', async () => {
    await using program = await start(`
      const server = createServer(() => server.close()).listen(port, () => get({ port }).on('error', () => {}))`)
    await seen(program, 'server-closing')
    expect(program.eventsOf('server-closed')).toEqual([])
  })

  test('is told of in a worker that its primary disconnects', async () => {
    await using program = await start(
      cluster(
        `const worker = cluster.fork(); worker.on('listening', () => worker.disconnect())`,
        'createServer(answer).listen(port)',
      ),
    )
    const { workerPid } = await seen(program, 'fork')
    expect(await seen(program, 'server-closing')).toMatchObject({ pid: workerPid })
  })
})

describe('a program whose workers are muted', () => {
  test('prints what the primary says, and nothing of them', async () => {
    await using program = await start(
      cluster(
        `console.log('primary'); cluster.fork().on('exit', () => console.log('over'))`,
        `console.log('worker'); throw new Error('worker')`,
      ),
      { muteWorkers: true },
    )
    await ended(program)
    expect(program.lines('stdout')).toEqual(['primary', 'over'])
    expect(program.lines('stderr')).toEqual([])
  })
})

describe('an answer', () => {
  test('of a single process is stamped with it', async () => {
    await using program = await start('createServer(answer).listen(port)')
    await seen(program, 'server-listening')
    const answer = await program.get('/')
    expect(answer.servedBy).toMatchObject({ role: 'single', worker: 0, pid: program.pid })
    expect(answer.servedBy?.run.endsWith(`/${program.identity.key}`)).toBe(true)
  })

  test('of a worker is stamped with its id and its pid', async () => {
    await using program = await start(
      cluster('cluster.fork(); cluster.fork()', 'createServer(answer).listen(port)'),
    )
    await program.until(() => (program.listening.length === 2 ? true : undefined), { within: seconds(10) })
    const { servedBy } = await program.get('/')
    const worker = program.workers.find(({ id }) => id === servedBy?.worker)
    expect(servedBy).toMatchObject({ role: 'worker', pid: worker?.pid })
  })

  test('of a primary is stamped as that once it has forked', async () => {
    await using program = await start(
      cluster('cluster.fork(); createServer(answer).listen(port)', 'setInterval(() => {}, 1_000)'),
    )
    await seen(program, 'server-listening')
    expect((await program.get('/')).servedBy).toMatchObject({ role: 'primary', pid: program.pid })
  })
})

describe('a listen that is held', () => {
  test('lets the others listen, and comes when it is released', async () => {
    await using program = await start(
      cluster('cluster.fork(); cluster.fork()', 'createServer(answer).listen(port)'),
      {
        holdListen: 1,
      },
    )
    expect(await program.heldWorker()).toMatchObject({ worker: 1 })
    await seen(program, 'listening')
    await program.quiet(300)
    expect(program.listening.map(({ id }) => id)).toEqual([2])
    await program.releaseListen()
    await seen(program, 'listening', ({ worker }) => worker === 1)
  })
})

describe('a listen on the port that is the default', () => {
  const serve = 'createServer(answer).listen(Number(process.env.PORT ?? 47123))'

  test.each([
    ['of a single process', serve],
    ['of a worker', cluster('cluster.fork()', serve)],
  ])('%s is held for good, and others are not', async (_whose, source) => {
    const others = `createServer(answer).listen(0, '127.0.0.1'); ${source}`
    await using program = await start(others, { withoutPort: 47_123 })
    expect((await seen(program, 'listen-held')).port).toBe(47_123)
    expect((await seen(program, 'server-listening')).port).not.toBe(47_123)
  })
})

test('forks that only sleep are forks, and as many as there may be', async () => {
  const source = cluster('for (let id = 1; id <= 64; id += 1) cluster.fork()', "console.log('a line')")
  await using program = await start(source, { hollowForks: true })
  expect(await program.until(() => program.workers.length === 64 || undefined, { within: seconds(10) })).toBe(
    true,
  )
  expect(program.lines('stdout')).toEqual([])
})

test('after a roll call, who has died by then is known to have gone', async () => {
  await using program = await start(cluster('cluster.fork()', 'createServer(answer).listen(port)'))
  const { workerPid } = await seen(program, 'listening')
  await program.tell(workerPid, { do: 'throw' })
  await program.rollCall()
  expect(program.eventsOf('gone').map(({ pid }) => pid)).toContain(workerPid)
})

describe('a program waits for nothing', () => {
  const idle = async (source: string): Promise<boolean> => {
    await using program = await start(
      cluster(`cluster.fork(); ${source}`, 'createServer(answer).listen(port)'),
    )
    await seen(program, 'listening')
    await program.quiet(200)
    // Awaited here: the program ends with this function.
    return await program.waitsForNothing()
  }

  test('when it only serves', async () => {
    expect(await idle('')).toBe(true)
  })

  test('but not while it has a timer', async () => {
    expect(await idle('setTimeout(() => cluster.fork(), 60_000)')).toBe(false)
  })
})

describe('a worker that listens by itself', () => {
  const OWN = `createServer(answer).listen({ port: 0, host: '127.0.0.1', exclusive: true })`

  test('is seen to, though the primary is told nothing', async () => {
    await using program = await start(cluster('cluster.fork(); cluster.fork()', OWN))
    await program.until(() => (program.listening.length === 2 ? true : undefined), { within: seconds(10) })
    const ports = program.listening.flatMap(({ ports }) => ports)
    expect(new Set(ports).size).toBe(2)
    expect(program.eventsOf('listening')).toEqual([])
  })

  test.each([
    ['a port', OWN],
    ['a Unix socket', `createServer(answer).listen({ path: '\\0' + process.pid, exclusive: true })`],
  ])('on %s is held, too, and comes when it is released', async (_where, worker) => {
    await using program = await start(cluster('cluster.fork(); cluster.fork()', worker), { holdListen: 1 })
    expect(await program.heldWorker()).toMatchObject({ worker: 1 })
    await program.until(() => program.listening[0], { within: seconds(10) })
    await program.quiet(300)
    expect(program.listening.map(({ id }) => id)).toEqual([2])
    await program.releaseListen()
    await program.until(() => (program.listening.length === 2 ? true : undefined), { within: seconds(10) })
    expect(program.eventsOf('listen-held')).toHaveLength(1)
  })

  test('is seen as one that the primary knows of where that opened the port', async () => {
    await using program = await start(cluster('cluster.fork()', 'createServer(answer).listen(port)'))
    const { workerPid } = await seen(program, 'listening')
    const own = await seen(program, 'server-listening', ({ pid }) => pid === workerPid)
    expect(own.alone).toBeUndefined()
  })
})

describe('a request that is watched', () => {
  const LISTENS = cluster('cluster.fork()', 'createServer(answer).listen(port)')

  test('ends its process before the program sees it, where that is asked for', async () => {
    await using program = await start(LISTENS)
    const { workerPid: pid } = await seen(program, 'listening')
    await dieAtRequest(program, { pid }, 'poison')
    expect(await program.get('/food')).toMatchObject({ status: 200 })
    expect(await program.fetch('/poison?x=1')).toMatchObject({ ok: false })
    expect(await seen(program, 'exit')).toMatchObject({ signal: 'SIGKILL' })
    expect(program.eventsOf('request').map(({ url }) => url)).toEqual(['/food', '/poison?x=1'])
  })

  test('is answered with headers beside those of the program', async () => {
    await using program = await start(LISTENS)
    const { workerPid: pid } = await seen(program, 'listening')
    await watchRequests(program, { pid }, { 'set-cookie': ['a=1', 'b=2'], 'x-more': '1' })
    const { headers } = await program.get('/')
    expect(headers).toMatchObject({ 'set-cookie': ['a=1', 'b=2'], 'x-more': '1' })
  })
})

test('a stamp leaves an answer the headers that its program gives as a list, repeats too', async () => {
  await using program = await start(
    `createServer((_, response) => response.writeHead(200, ['Set-Cookie', 'a=1', 'Set-Cookie', 'b=2']).end()).listen(port)`,
  )
  await seen(program, 'server-listening')
  const { headers, servedBy } = await program.get('/')
  expect(headers['set-cookie']).toEqual(['a=1', 'b=2'])
  expect(servedBy?.pid).toBe(program.pid)
})

describe('a fault', () => {
  test('blocks the event loop of one process and lets it go on', async () => {
    await using program = await start(`
      let last = Date.now()
      setInterval(() => { if (Date.now() - last >= 1_000) say('blocked'); last = Date.now() }, 10)
      say('begun')`)
    await said(program)
    await program.block(1_100)
    expect(await said(program, 2)).toContain('blocked')
  })

  test.each([
    ['throws', { do: 'throw' }, 1],
    ['rejects', { do: 'reject' }, 1],
    ['exits', { do: 'exit', code: 7 }, 7],
  ])('%s in one process', async (_what, command, code) => {
    await using program = await start('setInterval(() => {}, 1_000)')
    await seen(program, 'hello')
    await inject(program, program.pid, command)
    expect(await ended(program)).toEqual({ code, signal: null })
  })

  test('throws into the handlers that the program has for that', async () => {
    await using program = await start(
      `process.on('uncaughtException', (error) => say(error.message)); setInterval(() => {}, 1_000); say('begun')`,
    )
    await said(program)
    await inject(program, program.pid, { do: 'throw' })
    expect(await said(program, 2)).toEqual(['begun', 'Every Core: a fault injected by the checker'])
    expect(program.ended).toBeUndefined()
  })

  test('ends one worker from inside, and the primary goes on', async () => {
    await using program = await start(
      cluster(
        `cluster.fork().on('exit', (code) => say(code)); cluster.fork()`,
        'createServer(answer).listen(port)',
      ),
    )
    await seen(program, 'listening', ({ worker }) => worker === 1)
    await program.exitOneWorker(9, program.workers[0])
    expect(await said(program)).toEqual([9])
  })

  test('sends the primary a message that its worker never sent', async () => {
    await using program = await start(
      cluster(`cluster.fork().on('message', (message) => say(message))`, 'setInterval(() => {}, 1_000)'),
    )
    const { workerPid } = await seen(program, 'online')
    await seen(program, 'hello', ({ pid }) => pid === workerPid)
    for (const message of [null, 'junk', { type: 'junk', deep: [[]] }]) {
      await inject(program, workerPid, { do: 'send', message })
    }
    expect(await said(program, 3)).toEqual([null, 'junk', { type: 'junk', deep: [[]] }])
  })

  test('kills the next worker before it is online, and no other', async () => {
    await using program = await start(
      cluster(
        `cluster.fork(); cluster.on('exit', () => cluster.fork())`,
        'createServer(answer).listen(port)',
      ),
    )
    const { workerPid } = await seen(program, 'listening')
    await killNextFork(program)
    await program.signal('SIGKILL', workerPid)
    const third = await seen(program, 'listening', ({ worker }) => worker === 3)
    expect(third.worker).toBe(3)
    expect(program.eventsOf('exit').map(({ worker, signal }) => [worker, signal])).toEqual([
      [1, 'SIGKILL'],
      [2, 'SIGKILL'],
    ])
    expect(program.eventsOf('online').map(({ worker }) => worker)).toEqual([1, 3])
  })

  test('grows the memory of one process', async () => {
    await using program = await start('setInterval(() => say(process.memoryUsage.rss() > 150e6), 50)')
    await seen(program, 'hello')
    await inject(program, program.pid, { do: 'allocate', bytes: 150 * 1024 ** 2 })
    const grown = await program.until(() => program.lines('stdout').includes('true') || undefined, {
      within: seconds(10),
    })
    expect(grown).toBe(true)
  })

  function inject(program: Program, pid: number, command: object): Promise<unknown> {
    return kept.keeper.request({ do: 'tell', key: program.identity.key, pid, command })
  }
})

describe('messages', () => {
  test('are counted on both sides, those of Node apart', async () => {
    await using program = await start(
      cluster(
        `const worker = cluster.fork()
         worker.on('message', (message) => { if (message === 5) worker.send('enough') })`,
        `process.on('message', () => {}); for (let id = 1; id <= 5; id += 1) process.send(id)
         createServer(answer).listen(port)`,
      ),
      { countMessages: true },
    )
    const { workerPid } = await seen(program, 'listening')
    const counts = await seen(program, 'messages', ({ pid, sent }) => pid === workerPid && sent >= 5)
    expect(counts).toMatchObject({ sent: 5, sentBytes: 5 })
    const answers = await seen(program, 'messages', ({ pid, sent }) => pid === program.pid && sent >= 1)
    expect(answers).toMatchObject({ sent: 1, sentBytes: '"enough"'.length })
  })
})

describe('requests', () => {
  test('are told from the first on, by the process that they come to, with how their answers ended', async () => {
    await using program = await start(cluster('cluster.fork()', 'createServer(answer).listen(port)'), {
      watchRequests: true,
    })
    const { workerPid } = await seen(program, 'listening')
    await program.fetch('/first?n=1')
    expect(await seen(program, 'request')).toMatchObject({ pid: workerPid, url: '/first?n=1', method: 'GET' })
    expect(await seen(program, 'request-closed')).toMatchObject({ pid: workerPid, finished: true })
  })
})

describe('children and threads', () => {
  test.each([
    ['emptied', '{}', undefined],
    ['of its own', "{ NODE_OPTIONS: '--no-warnings', EVERY_CORE_MINE: '1' }", '1'],
  ])('a child with an environment %s is observed, and finds that environment', async (_what, env, mine) => {
    await using program = await start(
      `if (process.argv[2] === undefined) {
         spawn(process.execPath, [process.argv[1], 'child'], { env: ${env}, stdio: 'inherit', detached: true })
         setInterval(() => {}, 1_000)
       } else {
         say({ names: Object.keys(process.env).filter((name) => !/^EVERY_CORE_(RUN|KEEPER|CACHE)$/.test(name)).sort(),
               mine: process.env.EVERY_CORE_MINE, options: process.env.NODE_OPTIONS })
         setInterval(() => {}, 1_000)
       }`,
    )
    const [child] = (await said(program)) as readonly [Record<string, unknown>]
    expect(child.mine).toBe(mine)
    expect(child.names).toEqual(mine === undefined ? ['NODE_OPTIONS'] : ['EVERY_CORE_MINE', 'NODE_OPTIONS'])
    expect(child.options).toMatch(mine === undefined ? /^--import \S+$/ : /^--import \S+ --no-warnings$/)
    expect(await seen(program, 'hello', ({ pid }) => pid !== program.pid)).toMatchObject({
      ppid: program.pid,
    })
    expect(program.eventsOf('spawning')).toHaveLength(1)
  })

  test.each(["execSync('true')", "execFileSync('true')", "spawnSync('true')"])(
    'a command that it waits for is told of: %s',
    async (call) => {
      await using program = await start(
        `const { ${call.split('(')[0]} } = await import('node:child_process'); ${call}`,
      )
      expect((await seen(program, 'spawned')).file).toBe('true')
    },
  )

  test('a thread of the program is told of, and is not observed as a process', async () => {
    await using program = await start(
      `const { Worker } = await import('node:worker_threads')
       new Worker("setInterval(() => {}, 1000)", { eval: true }).on('online', () => say('online'))`,
    )
    expect(await said(program)).toEqual(['online'])
    expect(program.eventsOf('thread')).toHaveLength(1)
    expect(program.eventsOf('hello')).toHaveLength(1)
  })

  test('a process tells its environment, its arguments and its exec arguments', async () => {
    await using program = await start('setInterval(() => {}, 1_000)', { env: { MINE: 'yes' } })
    await seen(program, 'hello')
    const environment = await program.environment(program.pid)
    expect(environment?.env).toMatchObject({ MINE: 'yes', PORT: String(program.port) })
    expect(environment?.argv[1]).toBe(program.identity.file)
  })
})
