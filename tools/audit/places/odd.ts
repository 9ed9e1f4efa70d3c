/** Gradings in odd places and under odd settings, each as somebody would start it there. */

import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { projectRoot } from '../../catalog.ts'
import { run } from '../commands.ts'
import { copyProject } from '../copies.ts'
import { problemWithResults } from '../schema.ts'
import type { Tally } from '../tally.ts'
import { oddCases, type OddCase, type Place } from './odd-cases.ts'

/** A grading that takes longer hangs: beside ten busy programs lesson 2 took two minutes. */
const HANGS_AFTER_S = 600
const NOBODY = 65534

export async function auditOddPlaces(tally: Tally, { whole }: { readonly whole: boolean }): Promise<void> {
  using ground = new Ground()
  for (const one of oddCases) {
    if (one.whole === true && !whole) continue
    const started = performance.now()
    const why = ground.unfitFor(one)
    // No package mends what the machine itself does not allow: it is told, and is nobody's failure.
    if (why !== undefined) console.log(`· ${one.what}: left out, ${why}`)
    else tally.add(one.what, await problemWith(one, ground), performance.now() - started)
  }
}

async function problemWith(one: OddCase, ground: Ground): Promise<string | undefined> {
  const { code, stdout, output } = await run('timeout', ground.commandFor(one), ground.environmentFor(one))
  const end = output.slice(-2_000)
  if (code !== one.code) return `it ended with ${code}, not ${one.code}:\n${end}`
  if (one.says !== undefined && !one.says.test(output)) return `it does not say ${one.says}:\n${end}`
  if (/^\s+at .*:\d+:\d+/m.test(output)) return `it shows a stack:\n${end}`
  return one.json === true ? problemWithDocument(stdout) : undefined
}

function problemWithDocument(text: string): string | undefined {
  if (text.includes('\u001B')) return `an escape is in the document:\n${text.slice(0, 500)}`
  try {
    return problemWithResults(JSON.parse(text))
  } catch (error) {
    return `${String(error)}\n${text.slice(0, 500)}`
  }
}

/** Clones in their places, made when the first case needs them. */
class Ground implements Disposable {
  readonly #folder = mkdtempSync(join(tmpdir(), 'every-core-places-'))
  readonly #made = new Map<Place, string>([['here', projectRoot]])
  readonly #elsewhere: string[] = []
  readonly #node: string
  /** A folder that anybody may write to. */
  readonly #open: string

  constructor() {
    chmodSync(this.#folder, 0o755)
    this.#open = join(this.#folder, 'open to all é')
    mkdirSync(this.#open)
    chmodSync(this.#open, 0o777)
    writeFileSync(join(this.#folder, 'own.cjs'), 'globalThis.mine = 1\n')
    mkdirSync(join(this.#folder, 'only-node'))
    this.#node = this.#nodeForAll()
    symlinkSync(this.#node, join(this.#folder, 'only-node', 'node'))
  }

  /** Why this case cannot be looked at here; undefined where it can. */
  unfitFor({ as, place }: OddCase): string | undefined {
    if (place === 'in memory' && !existsSync('/dev/shm')) return '/dev/shm is not here'
    if (as === undefined || process.getuid?.() !== 0) return undefined
    return works('setpriv', asNobody(this.#node, '--version')) ? undefined : 'setpriv does not work here'
  }

  /** For `timeout`, which ends a grading that hangs. */
  commandFor({ as, script }: OddCase): readonly string[] {
    const bash = ['bash', '-c', script]
    const isRoot = process.getuid?.() === 0
    return [`${HANGS_AFTER_S}`, ...(as === 'nobody' && isRoot ? ['setpriv', ...asNobody(...bash)] : bash)]
  }

  environmentFor({ place = 'here', env = {} }: OddCase): Record<string, string> {
    const project = this.#projectIn(place)
    const own = join(this.#folder, 'own.cjs')
    const settings = Object.entries(env).map(([name, value]) => [name, value.replace('$OWN', own)])
    return {
      ...(Object.fromEntries(settings) as Record<string, string>),
      PROJECT: project,
      NODE: this.#node,
      CLI: join(project, 'tools', 'start.mjs'),
      CHECKS: join(project, 'checks'),
      OPEN: this.#open,
      ONLY_NODE: join(this.#folder, 'only-node'),
      // Functions of bash: a place may have any sign in its path.
      'BASH_FUNC_wrong%%':
        '() { "$NODE" "$CLI" check 3 --file "$CHECKS/03-basic-cluster/mistakes/more/port-and-id.ts" "$@"; }',
      'BASH_FUNC_right%%':
        '() { cd "$PROJECT" && "$NODE" --import tsx tools/audit/places/grade-checks.ts "$@"; }',
      WRONG: 'wrong',
      RIGHT: 'right',
    }
  }

  [Symbol.dispose](): void {
    for (const folder of [this.#folder, ...this.#elsewhere]) rmSync(folder, { recursive: true, force: true })
  }

  #projectIn(place: Place): string {
    const known = this.#made.get(place)
    if (known !== undefined) return known
    const project = this.#make(place)
    this.#made.set(place, project)
    return project
  }

  #make(place: Place): string {
    switch (place) {
      case 'odd path': {
        const project = join(this.#folder, `Übung 1, 100% [a] {b} & $c 'd' 日本語`, 'every core')
        mkdirSync(project, { recursive: true })
        copyProject(project, { modules: true })
        // Somebody who may not write here is no root: for others the folder itself is closed.
        if (process.getuid?.() !== 0) chmodSync(project, 0o555)
        return project
      }
      case 'in memory': {
        const project = mkdtempSync('/dev/shm/every-core-')
        this.#elsewhere.push(project)
        copyProject(project)
        return project
      }
      case 'hash': {
        const project = join(this.#folder, 'exercise #1')
        mkdirSync(project)
        copyProject(project)
        return project
      }
      default: {
        const project = join(this.#folder, 'linked')
        symlinkSync(projectRoot, project)
        return project
      }
    }
  }

  /** This Node, or a copy of it where others may not come to it. */
  #nodeForAll(): string {
    if (process.getuid?.() !== 0 || works('setpriv', asNobody(process.execPath, '--version')))
      return process.execPath
    const copy = join(this.#folder, 'node')
    copyFileSync(process.execPath, copy)
    chmodSync(copy, 0o755)
    return copy
  }
}

function asNobody(...command: readonly string[]): readonly string[] {
  return [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', ...command]
}

function works(command: string, args: readonly string[]): boolean {
  try {
    execFileSync(command, args, { stdio: 'ignore', cwd: dirname(tmpdir()) })
    return true
  } catch {
    return false
  }
}
