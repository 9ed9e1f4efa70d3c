import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test } from 'vitest'
import type { ProgramEvent } from './events.ts'
import { until } from './patience.ts'
import { lives } from './testing/kept.ts'
import type { WatchedProcess } from './watched-processes.ts'
import { WatchedProgram } from './watched-program.ts'

const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '')
mkdirSync(join(root, '.workshop'), { recursive: true })
const folder = mkdtempSync(join(root, '.workshop', 'test-'))
afterAll(() => rmSync(folder, { recursive: true }))

const file = join(folder, 'server.mjs')
writeFileSync(
  file,
  `import cluster from 'node:cluster'
   import { createServer } from 'node:http'
   if (cluster.isPrimary) {
     console.log('ADMIN_PORT', process.env.ADMIN_PORT, 'DATA_DIR', process.env.DATA_DIR, process.env.MINE)
     cluster.on('exit', () => cluster.fork())
     cluster.fork()
     cluster.fork()
   } else {
     createServer((request, response) => response.end(request.url.split('=')[1])).listen(0)
   }`,
)

test('a program is watched, harmed and loaded, and ends with the one who watches', async () => {
  const events: ProgramEvent[] = []
  const env = { PATH: process.env['PATH'] ?? '', MINE: 'mine' }
  let pids: readonly number[] = []
  {
    await using program = await WatchedProgram.start({
      root,
      file,
      env,
      onEvent: (event) => events.push(event),
    })
    const workers = (): readonly WatchedProcess[] | undefined => {
      const found = program.look().filter(({ role, state }) => role === 'worker' && state === 'listening')
      return found.length === 2 && found.every(({ rssBytes }) => rssBytes !== undefined) ? found : undefined
    }
    const [first, second] = (await until(workers, { within: 10_000 })) ?? []
    const line = events.find((event) => event.type === 'line')
    // What a person has not set is not set.
    expect(line).toMatchObject({ text: 'ADMIN_PORT undefined DATA_DIR undefined mine' })

    await program.signal('SIGKILL', first?.pid)
    expect(await until(() => program.turnover.gone === 1 || undefined, { within: 10_000 })).toBe(true)
    const [, third] = (await until(workers, { within: 10_000 })) ?? []
    await program.hang(third?.pid ?? 0)
    const hung = (): WatchedProcess | undefined =>
      program.look().find(({ pid, silentMs }) => pid === third?.pid && silentMs !== undefined)
    expect(await until(hung, { within: 10_000 })).toBeDefined()
    await program.signal('SIGKILL', third?.pid)
    await until(workers, { within: 10_000 })
    await program.crash(second?.pid ?? 0)
    expect(await until(() => program.turnover.gone === 3 || undefined, { within: 10_000 })).toBe(true)
    await until(workers, { within: 10_000 })

    const port = events.findLast((event) => event.type === 'listening')?.port ?? 0
    const seen: number[] = []
    const total = await program.burst(port, 500, ({ answered }) => seen.push(answered))
    expect(total).toMatchObject({ wrong: 0, failed: 0 })
    expect(total.answered).toBeGreaterThan(0)
    expect(seen).toEqual([total.answered])
    pids = program.look().map(({ pid }) => pid)
  }
  expect(pids.filter((pid) => lives(pid))).toEqual([])
}, 60_000)
