import { writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { seconds } from './patience.ts'
import type { Program } from './program.ts'
import { findSecret, formsOf } from './secrets.ts'
import { openKept, type Kept } from './testing/kept.ts'

const SECRET = 'this-is-what-nobody-else-may-hold'

let kept: Kept
beforeAll(async () => {
  kept = await openKept()
})
afterAll(() => kept[Symbol.asyncDispose]())

const IMPORTS = `
  import cluster from 'node:cluster'
  import { createServer } from 'node:http'
  import { spawn } from 'node:child_process'
  import { readFileSync } from 'node:fs'
  const serve = () => createServer((_request, response) => response.end()).listen(Number(process.env.PORT))\n`

/** A cluster of one that listens, and whose worker has said `done` where it does more. */
async function start(primary: string, worker: string, env: Record<string, string> = {}): Promise<Program> {
  const source = `${IMPORTS}if (cluster.isPrimary) { ${primary} } else { ${worker} }`
  const program = await kept.start(source, { env: { SECRET, ...env }, recordMessages: true })
  await program.until(() => program.lines('stdout').includes('done') || undefined, { within: seconds(10) })
  return program
}

const DONE = `serve().on('listening', () => console.log('done'))`

describe('a secret', () => {
  test('that is taken out of the environment before the fork is nowhere', async () => {
    await using program = await start(
      `const secret = process.env.SECRET; delete process.env.SECRET; cluster.fork(); setTimeout(() => secret, 1e6)`,
      DONE,
    )
    expect(await findSecret(program, SECRET)).toBeUndefined()
  })

  test('that is taken out after the fork is in the environment of a worker', async () => {
    await using program = await start('cluster.fork(); delete process.env.SECRET', DONE)
    expect(await findSecret(program, SECRET)).toMatchObject({
      place: 'environment',
      where: 'the environment of worker 1',
    })
  })

  test('is seen on the command line of a process that has ended', async () => {
    await using program = await start(
      `const { SECRET } = process.env; delete process.env.SECRET
       spawn('true', ['--key', SECRET]).on('exit', () => cluster.fork())`,
      DONE,
    )
    expect(await findSecret(program, SECRET)).toEqual({
      place: 'command line',
      where: 'the command line of another process',
    })
  })

  test('is seen in a message, also as bytes', async () => {
    await using program = await start(
      `const { SECRET } = process.env; delete process.env.SECRET
       const worker = cluster.fork()
       worker.on('message', () => worker.send({ deep: [Buffer.from(SECRET)] }))`,
      `process.on('message', () => console.log('done')); serve(); process.send('give')`,
    )
    expect(await findSecret(program, SECRET)).toEqual({
      place: 'message',
      where: 'a message from the primary to worker 1',
    })
  })

  test('is seen in what was printed', async () => {
    await using program = await start(
      `const { SECRET } = process.env; delete process.env.SECRET; console.error('with', SECRET); cluster.fork()`,
      DONE,
    )
    expect(await findSecret(program, SECRET)).toEqual({ place: 'log', where: 'a line on stderr' })
  })

  test.runIf(process.platform === 'linux')(
    'is seen in the memory of a worker that read it elsewhere',
    async () => {
      const file = kept.write('secret.txt', '')
      writeFileSync(file, SECRET)
      await using program = await start(
        'delete process.env.SECRET; cluster.fork()',
        `const secret = readFileSync(process.env.SECRET_FILE, 'utf8'); ${DONE}; setTimeout(() => secret, 1e6)`,
        { SECRET_FILE: file },
      )
      expect(await findSecret(program, SECRET)).toEqual({ place: 'memory', where: 'the memory of worker 1' })
    },
  )

  test('is known in base64 wherever in the bytes it stands', () => {
    for (const before of ['', 'a', 'ab', 'abc']) {
      for (const after of ['', 'x', 'xy']) {
        const text = Buffer.from(before + SECRET + after).toString('base64')
        expect(formsOf(SECRET).some((form) => text.includes(form))).toBe(true)
      }
    }
  })
})
