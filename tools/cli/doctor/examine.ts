/** All looks at this machine, in order. */

import { release } from 'node:os'
import type { Desk } from '../desk.ts'
import type { Finding } from './finding.ts'
import { lookAtFileEvents, lookAtProject, lookAtTemporaryFolder } from './folders.ts'
import { lookAtEphemeralPorts, lookAtLoopback, lookAtPorts } from './network.ts'
import { lookAtNoise, lookAtPower } from './noise.ts'
import { lookAtAccounting, lookAtProcessTable, lookAtRedis, lookAtTaskset } from './programs.ts'
import { judgeCores, judgeMemory, judgeOpenFiles, judgeTasks, resources } from './resources.ts'

type Look = () => Finding | undefined | Promise<Finding | undefined>

/** Tells each finding as it comes. A look that does not work here is a finding too, and spoils no other. */
export async function* examine(desk: Desk): AsyncGenerator<Finding> {
  const interruption = desk.interruption()
  const counted = resources()
  const looks: Readonly<Record<string, Look>> = {
    // A Node that is too old, and Windows itself, have been refused before (start.mjs).
    node: lookAtNode,
    cores: () => judgeCores(counted),
    memory: () => judgeMemory(counted),
    'open files': () => judgeOpenFiles(counted),
    processes: () => judgeTasks(counted),
    ports: lookAtPorts,
    'port range': lookAtEphemeralPorts,
    loopback: lookAtLoopback,
    'project folder': () => lookAtProject(desk.root),
    'temporary files': () => lookAtTemporaryFolder(),
    'file events': () => lookAtFileEvents(desk.root, desk.env, interruption),
    taskset: lookAtTaskset,
    'process table': lookAtProcessTable,
    accounting: () => lookAtAccounting(),
    'redis-server': lookAtRedis,
    power: () => lookAtPower(),
    // Last, so that none of the others is taken for another program.
    'other programs': () => lookAtNoise(interruption),
  }
  for (const [subject, look] of Object.entries(looks)) {
    const finding = await found(subject, look, interruption)
    if (interruption.aborted) throw interruption.reason
    if (finding !== undefined) yield finding
  }
}

async function found(subject: string, look: Look, interruption: AbortSignal): Promise<Finding | undefined> {
  try {
    return await look()
  } catch (error) {
    if (interruption.aborted) throw interruption.reason
    const why = error instanceof Error ? error.message : String(error)
    return {
      subject,
      fitness: 'caution',
      found: `could not be looked at (${why})`,
      advice: 'Nothing to do: a check that needs it will say so.',
    }
  }
}

function lookAtNode(): Finding {
  const system = /microsoft/i.test(release()) ? 'linux in WSL' : process.platform
  return { subject: 'node', fitness: 'good', found: `${process.version} on ${system}, ${process.arch}` }
}
