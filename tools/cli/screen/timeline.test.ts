import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Timeline, TimelineEntry } from '../../harness/timeline.ts'
import { keepTimeline, timelineText, type TimelineEvent } from '../timelines.ts'
import { paintFor } from './paint.ts'
import { timelineLines } from './timeline.ts'

const life = (at: number, who: string, what: string): TimelineEntry => ({ at, who, what, kind: 'life' })
const request = (at: number, who: string): TimelineEntry => ({ at, who, what: 'GET /: 200', kind: 'request' })

const timeline: Timeline = {
  command: 'WORKERS=2 node server.ts',
  leftOut: 0,
  entries: [
    life(0, 'primary', 'started (pid 10)'),
    life(200, 'worker 1', 'forked (pid 11)'),
    life(201, 'worker 2', 'forked (pid 12)'),
    life(240, 'worker 1', 'online'),
    life(700, 'worker 1', 'listens on port 8000'),
    life(720, 'worker 2', 'listens on port 8000'),
    request(800, 'worker 1'),
    request(810, 'worker 2'),
    request(820, 'worker 1'),
    { at: 1_000, who: 'the checker', what: 'sends SIGKILL to worker 1', kind: 'fault' },
    life(1_010, 'worker 1', 'gone: killed by SIGKILL'),
    { at: 3_000, who: 'the checker', what: 'the check fails', kind: 'end' },
  ],
}

const event: TimelineEvent = {
  type: 'timeline',
  slug: '03-basic-cluster',
  timeline,
  result: {
    name: 'a killed worker is replaced',
    verdict: 'failed',
    durationMs: 1,
    expected: 'a fork',
    got: 'no fork',
  },
}

const shown = (timeline: Timeline, columns = 90): string =>
  timelineLines(timeline, {
    page: { columns, paint: paintFor(false) },
    path: '.workshop/timelines/3.md',
    got: 'no fork',
  }).join('\n')

test('the screen tells processes and requests in groups, and the failure last', () => {
  expect(`\n${shown(timeline)}\n`).toMatchInlineSnapshot(`
    "
          timeline  all of it: .workshop/timelines/3.md
             0.00 s  primary      started (pid 10)
             0.20 s  workers 1 2  forked
             0.70 s  workers 1 2  listen on port 8000
             0.80 s  the checker  3 requests: 2 answered by worker 1, 1 answered by worker 2
             1.00 s  the checker  sends SIGKILL to worker 1
             1.01 s  worker 1     gone: killed by SIGKILL
             3.00 s  the checker  the check fails: no fork
    "
  `)
})

test('the screen has at most ten rows, and none is too wide', () => {
  const many = Array.from({ length: 40 }, (_, index) => life(index, `worker ${index}`, `does ${index}`))
  const lines = shown({ ...timeline, entries: [...many, ...timeline.entries] }, 50).split('\n')
  expect(lines).toHaveLength(11)
  expect(lines[4]).toContain('… ')
  expect(lines.filter((line, index) => index > 0 && line.length > 50)).toEqual([])
})

test('the file tells what was expected, a lane for each process, and everything', () => {
  expect(timelineText(event)).toMatchInlineSnapshot(`
    "# 03-basic-cluster: a killed worker is replaced

    - expected: a fork
    - got: no fork
    - repeat: \`WORKERS=2 node server.ts\`

    Seconds since the program was started, from \`WORKERS=2 node server.ts\`.

    ## Each process

    \`=\` listens, \`-\` lives without listening, \`x\` ends; \`!\` the checker brings a fault upon the program, \`?\` it sends
    requests.

    \`\`\`text
    primary      ------------------------------------------------------------------------------------------
    worker 1           ---------------=========x
    worker 2           ---------------=====================================================================
    the checker                          ?     !
                 0 s                                                                                 3.00 s
    \`\`\`

    ## Everything

    \`\`\`text
        0.000  primary       started (pid 10)
        0.200  worker 1      forked (pid 11)
        0.201  worker 2      forked (pid 12)
        0.240  worker 1      online
        0.700  worker 1      listens on port 8000
        0.720  worker 2      listens on port 8000
        0.800  worker 1      GET /: 200
        0.810  worker 2      GET /: 200
        0.820  worker 1      GET /: 200
        1.000  the checker   sends SIGKILL to worker 1
        1.010  worker 1      gone: killed by SIGKILL
        3.000  the checker   the check fails
    \`\`\`
    "
  `)
})

test('the file is overwritten, and one that cannot be written is no failure', () => {
  const root = mkdtempSync(join(tmpdir(), 'every core '))
  try {
    expect(keepTimeline(root, event)).toBe('.workshop/timelines/03-basic-cluster.md')
    keepTimeline(root, { ...event, result: { ...event.result, got: 'two forks' } })
    expect(readFileSync(join(root, '.workshop/timelines/03-basic-cluster.md'), 'utf8')).toContain('two forks')
    writeFileSync(join(root, 'file'), '')
    expect(keepTimeline(join(root, 'file'), event)).toBeUndefined()
  } finally {
    rmSync(root, { recursive: true })
  }
})
