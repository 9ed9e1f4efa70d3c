/** The processes of a program that runs, as a table that is drawn again and again. */

import type { WatchedProcess } from '../../harness/watched-processes.ts'
import { fit, pad, widthOf } from './fit.ts'
import type { Page } from './lines.ts'

/** One that has gone stays in the table for so long. */
const SHOWN_AFTER_ITS_END_MS = 6_000

/** A loop that is later than this makes people wait. */
const SLOW_MS = 100

export interface Turnover {
  readonly forked: number
  readonly gone: number
}

/** Those that a digit can name: `1` is the oldest that lives, up to `9`; `0` is the first process. */
export function choosable(processes: readonly WatchedProcess[]): readonly WatchedProcess[] {
  return processes.filter(({ role, state }) => role === 'worker' && state !== 'gone').slice(0, 9)
}

/**
 * @param rows how many lines there are for it
 * @param chosen the pid of the process that the next fault is for
 */
export function processLines(
  processes: readonly WatchedProcess[],
  { page, rows, chosen }: { readonly page: Page; readonly rows: number; readonly chosen: number | undefined },
): readonly string[] {
  const columns = columnsFor(page.columns)
  const digits = new Map(choosable(processes).map(({ pid }, index) => [pid, String(index + 1)]))
  const shown = processes.filter(({ role, state, sinceMs }) => {
    return role !== 'worker' || state !== 'gone' || sinceMs < SHOWN_AFTER_ITS_END_MS
  })
  const room = Math.max(3, rows - 1)
  const cut = shown.length > room ? shown.slice(0, room - 1) : shown
  const rest = shown.length - cut.length
  return [
    page.paint.gray(
      fit(
        cells(columns, (column) => column.title),
        page.columns,
      ),
    ),
    ...cut.map((process) => {
      const digit = process.role === 'worker' ? digits.get(process.pid) : chosen === process.pid ? '0' : ''
      const mark = process.pid === chosen ? '▸' : ' '
      const line = cells(columns, (column) => column.of(process, `${mark}${digit || ' '} `))
      return coloured(fit(line, page.columns), process, page, process.pid === chosen)
    }),
    ...(rest > 0 ? [page.paint.gray(`   … and ${rest} more`)] : []),
  ]
}

/** `2 of 3 workers answer · 5 forked, 3 gone` */
export function turnoverLine(processes: readonly WatchedProcess[], { forked, gone }: Turnover): string {
  const workers = processes.filter(({ role, state }) => role === 'worker' && state !== 'gone')
  const able = workers.filter(({ state, silentMs }) => state === 'listening' && silentMs === undefined)
  const total = `${processes.reduce((sum, one) => sum + one.requestsPerSecond, 0).toFixed(0)} requests/s`
  if (forked === 0) return `no workers · ${total}`
  return `${able.length} of ${workers.length} workers answer · ${forked} forked, ${gone} gone · ${total}`
}

interface Column {
  readonly title: string
  readonly width: number
  /** Numbers stand at the right. */
  readonly right?: true
  of(process: WatchedProcess, mark: string): string
}

function columnsFor(width: number): readonly Column[] {
  const narrow: readonly Column[] = [
    { title: '   process', width: 14, of: (process, mark) => `${mark}${nameOf(process)}` },
    { title: 'pid', width: 8, right: true, of: ({ pid }) => String(pid) },
    { title: '  state', width: 15, of: (process) => `  ${stateOf(process)}` },
    { title: 'req/s', width: 6, right: true, of: ({ requestsPerSecond: rate }) => rate.toFixed(0) },
    { title: 'delay', width: 8, right: true, of: delayOf },
    { title: 'memory', width: 8, right: true, of: ({ rssBytes }) => sizeOf(rssBytes) },
  ]
  const wide: readonly Column[] = [
    { title: 'requests', width: 10, right: true, of: ({ requests }) => String(requests) },
    { title: 'since', width: 8, right: true, of: ({ sinceMs }) => spanOf(sinceMs) },
  ]
  return width >= 79 ? [...narrow, ...wide] : narrow
}

function cells(columns: readonly Column[], textOf: (column: Column) => string): string {
  return columns
    .map((column) => {
      const text = fit(textOf(column), column.width)
      return column.right ? ' '.repeat(column.width - widthOf(text)) + text : pad(text, column.width)
    })
    .join('')
    .trimEnd()
}

function coloured(line: string, process: WatchedProcess, { paint }: Page, chosen: boolean): string {
  if (process.state === 'gone') return paint.gray(line)
  if (process.silentMs !== undefined) return paint.red(line)
  if (process.state !== 'listening' || (process.delayMs ?? 0) > SLOW_MS) return paint.yellow(line)
  return chosen ? paint.bold(line) : line
}

function nameOf({ role, worker }: WatchedProcess): string {
  if (role === 'worker') return `worker ${worker}`
  return role === 'single' ? 'the process' : role
}

function stateOf({ state, silentMs, end }: WatchedProcess): string {
  if (state === 'gone')
    return end === undefined ? 'gone' : `gone: ${end.replace('killed by ', '').replace('exit ', '')}`
  return silentMs === undefined ? state : 'no answer'
}

/** A loop that does not turn cannot tell how late it is: at least as late as it has been silent. */
function delayOf({ silentMs, delayMs, state }: WatchedProcess): string {
  if (state === 'gone') return ''
  if (silentMs !== undefined) return `>${(silentMs / 1_000).toFixed(0)} s`
  if (delayMs === undefined) return '–'
  return delayMs < 1_000 ? `${delayMs.toFixed(0)} ms` : `${(delayMs / 1_000).toFixed(1)} s`
}

function sizeOf(bytes: number | undefined): string {
  return bytes === undefined ? '–' : `${(bytes / 1024 ** 2).toFixed(0)} MiB`
}

function spanOf(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000))
  if (seconds < 60) return `${seconds} s`
  return seconds < 3_600 ? `${Math.floor(seconds / 60)} min` : `${(seconds / 3_600).toFixed(1)} h`
}
