/** Programs and interfaces of the system that checks use where they are there. */

import { existsSync, readFileSync } from 'node:fs'
import { outputOf } from './command.ts'
import type { Finding } from './finding.ts'

export async function lookAtTaskset(): Promise<Finding> {
  const subject = 'taskset'
  if (process.platform !== 'linux') {
    return {
      subject,
      fitness: 'caution',
      found: 'only Linux binds a program to a core from outside',
      advice: 'Nothing to do: the check that needs it is skipped, and says so.',
    }
  }
  const version = await outputOf('taskset', ['--version'])
  if (version !== undefined) return { subject, fitness: 'good', found: version.trim() }
  return {
    subject,
    fitness: 'caution',
    found: 'not installed',
    advice:
      'Without it the check “an affinity of one core gives one worker” is skipped. It is part of util-linux.',
  }
}

/** Processes are found by their environment: in /proc, or else by `ps`. */
export async function lookAtProcessTable(): Promise<Finding> {
  const subject = 'process table'
  if (existsSync('/proc/self/environ')) return { subject, fitness: 'good', found: '/proc' }
  if ((await outputOf('ps', ['-o', 'pid=', '-p', String(process.pid)])) !== undefined)
    return { subject, fitness: 'good', found: '`ps`' }
  return {
    subject,
    fitness: 'bad',
    found: 'neither /proc nor the command `ps` is there',
    advice: 'Without them nothing that a program starts can be found and ended. Install procps.',
  }
}

/** Run-queue times tell what other programs took; without them the event loops' activity has to do. */
export function lookAtAccounting(path = '/proc/self/schedstat'): Finding {
  const subject = 'accounting'
  const [ran] = textOf(path).split(' ')
  if (Number(ran) > 0)
    return { subject, fitness: 'good', found: 'the kernel tells how long threads wait for a core' }
  return {
    subject,
    fitness: process.platform === 'linux' ? 'caution' : 'good',
    found: 'the kernel does not tell how long threads wait for a core',
    advice: 'Nothing to do: throughput is judged by the event loops instead, and needs a quieter machine.',
  }
}

export async function lookAtRedis(): Promise<Finding> {
  const subject = 'redis-server'
  const version = /v=(\S+)/.exec((await outputOf('redis-server', ['--version'])) ?? '')?.[1]
  if (version !== undefined) return { subject, fitness: 'good', found: `${version}; it need not run` }
  return {
    subject,
    fitness: 'caution',
    found: 'not in PATH',
    advice:
      'Only lesson 9 is graded on it, and without it that part is skipped. To have it: ' +
      (process.platform === 'darwin' ? 'brew install redis' : 'sudo apt-get install redis-server'),
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
