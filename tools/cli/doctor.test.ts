import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { doctor } from './doctor.ts'
import { cautionFor } from './doctor/caution.ts'
import { cgroupLimits } from './doctor/cgroup.ts'
import type { Finding } from './doctor/finding.ts'
import { judgeFileEvents, lookAtFileEvents, lookAtProject, lookAtTemporaryFolder } from './doctor/folders.ts'
import { judgeEphemeralPorts, lookAtLoopback, lookAtPorts } from './doctor/network.ts'
import { judgeNoise, lookAtPower } from './doctor/noise.ts'
import { type Resources, judgeCores, judgeMemory, judgeOpenFiles, judgeTasks } from './doctor/resources.ts'
import { exitCodeOfCommand } from './endings.ts'
import { type TestDesk, testDesk } from './testing/desk.ts'
import { fakeGrader } from './testing/grader.ts'
import { passing } from './testing/stories.ts'

let root: string
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'every core '))
})
afterEach(() => rm(root, { recursive: true, force: true }))

const fine: Finding = { subject: 'node', fitness: 'good', found: 'v20.20.2 on linux, x64' }
const caution: Finding = {
  subject: 'redis-server',
  fitness: 'caution',
  found: 'not in PATH',
  advice: 'Install it.',
}
const bad: Finding = {
  subject: 'loopback',
  fitness: 'bad',
  found: '127.0.0.1 does not answer',
  advice: 'Allow it.',
}

async function run(
  args: readonly string[],
  findings: readonly Finding[],
): Promise<{ readonly code: number; readonly desk: TestDesk }> {
  const desk = testDesk({ root, grader: fakeGrader(() => passing) })
  const looks = async function* (): AsyncGenerator<Finding> {
    yield* findings
  }
  const code = await exitCodeOfCommand(desk, () => doctor(args, desk, looks))
  return { code, desk }
}

test('each finding is a line, with what to do below it', async () => {
  const { code, desk } = await run([], [fine, caution, bad])
  expect(code).toBe(2)
  expect(desk.stdout.text()).toMatchInlineSnapshot(`
    "Every Core · what of this machine matters

      ✓ node             v20.20.2 on linux, x64
      ! redis-server     not in PATH
                         Install it.
      ✗ loopback         127.0.0.1 does not answer
                         Allow it.

    Something that is needed is missing: loopback.
    "
  `)
})

test('where nothing that is needed is missing it ends with 0', async () => {
  const { code, desk } = await run([], [fine, caution])
  expect([code, desk.stdout.text()]).toEqual([
    0,
    expect.stringContaining('All that is needed is there; one thing is'),
  ])
  expect((await run([], [fine])).desk.stdout.text()).toContain('All is well')
})

test('with --json standard output is one document', async () => {
  const { code, desk } = await run(['--json'], [fine, bad])
  expect(code).toBe(2)
  expect(JSON.parse(desk.stdout.text())).toMatchObject({
    node: process.version,
    fit: false,
    findings: [fine, bad],
  })
})

test('it takes no lesson', async () => {
  const { code, desk } = await run(['3'], [])
  expect([code, desk.stderr.text()]).toEqual([2, expect.stringContaining('npm run doctor')])
})

const machine: Resources = {
  installed: 8,
  allowed: 8,
  quota: undefined,
  memoryBytes: 16 * 1024 ** 3,
  memoryFreeBytes: 8 * 1024 ** 3,
  openFiles: 4096,
  tasksLeft: 30_000,
}

test.each([
  [{}, 'good', '8, without a quota'],
  [{ allowed: 2 }, 'good', '2 of 8, without a quota'],
  [{ allowed: 1 }, 'caution', '1 of 8, without a quota'],
  [{ quota: 1.5 }, 'caution', '8, with a quota of 1.5'],
  [{ quota: 4 }, 'caution', '8, with a quota of 4'],
  [{ allowed: 2, quota: 4 }, 'good', '2 of 8, with a quota of 4'],
])('cores: %j is %s', (change, fitness, found) => {
  expect(judgeCores({ ...machine, ...change })).toMatchObject({ fitness, found })
})

test('memory, open files and processes are asked for as much as a check takes', () => {
  expect(judgeMemory(machine).fitness).toBe('good')
  expect(judgeMemory({ ...machine, memoryFreeBytes: 1024 ** 3 }).fitness).toBe('caution')
  expect(judgeMemory({ ...machine, memoryFreeBytes: 1024 ** 2 })).toMatchObject({
    fitness: 'bad',
    found: '1 MB free of 16.0 GB',
  })
  expect(judgeMemory({ ...machine, memoryFreeBytes: undefined }).fitness).toBe('good')
  expect([4096, 256, 64].map((openFiles) => judgeOpenFiles({ openFiles }).fitness)).toEqual([
    'good',
    'caution',
    'bad',
  ])
  expect([5000, 300, 50].map((tasksLeft) => judgeTasks({ tasksLeft }).fitness)).toEqual([
    'good',
    'caution',
    'bad',
  ])
})

test('of a machine where all is well nothing is told before a lesson; else one line', () => {
  expect(cautionFor(root, machine)).toBeUndefined()
  expect(cautionFor(root, { ...machine, allowed: 1, openFiles: 64 })).toBe(
    '! open files: up to 64 a process, and 1 more. What that means: npm run doctor',
  )
})

test('limits of version 2 are read from the group and all above it', async () => {
  await files({
    'proc/self/cgroup': '0::/user.slice/job\n',
    'sys/fs/cgroup/user.slice/cpu.max': '150000 100000\n',
    'sys/fs/cgroup/user.slice/job/cpu.max': 'max 100000\n',
    'sys/fs/cgroup/user.slice/job/memory.max': '1000000\n',
    'sys/fs/cgroup/user.slice/job/memory.current': '600000\n',
    'sys/fs/cgroup/user.slice/job/memory.stat': 'anon 1\ninactive_file 200000\n',
    'sys/fs/cgroup/user.slice/memory.max': 'max\n',
    'sys/fs/cgroup/user.slice/pids.max': '512\n',
    'sys/fs/cgroup/user.slice/pids.current': '12\n',
  })
  expect(cgroupLimits(root)).toEqual({
    cores: 1.5,
    memoryBytes: 1_000_000,
    memoryUsedBytes: 400_000,
    tasks: 512,
    tasksUsed: 12,
  })
})

test('limits of version 1 are read, also in a container, where its own group stands in the place of the root', async () => {
  await files({
    'proc/self/cgroup': '4:memory:/docker/1a2b\n3:cpu,cpuacct:/docker/1a2b\n1:name=systemd:/\n0::/\n',
    'sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us': '50000\n',
    'sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us': '100000\n',
    'sys/fs/cgroup/memory/memory.limit_in_bytes': '9223372036854771712\n',
  })
  expect(cgroupLimits(root)).toMatchObject({ cores: 0.5, memoryBytes: undefined, tasks: undefined })
})

test('no quota, and a system without control groups, are no limit', async () => {
  const none = {
    cores: undefined,
    memoryBytes: undefined,
    memoryUsedBytes: 0,
    tasks: undefined,
    tasksUsed: 0,
  }
  expect(cgroupLimits(root)).toEqual(none)
  await files({
    'proc/self/cgroup': '2:cpu:/\n',
    'sys/fs/cgroup/cpu/cpu.cfs_quota_us': '-1\n',
    'sys/fs/cgroup/cpu/cpu.cfs_period_us': '100000\n',
  })
  expect(cgroupLimits(root)).toEqual(none)
})

test('a port that is taken is told, with the setting that takes another', async () => {
  const holder = createServer()
  await new Promise<void>((resolve) => {
    // Somebody else may have it already: that is a taken port, too.
    holder.once('error', () => resolve())
    holder.listen({ port: 8000, exclusive: true }, () => resolve())
  })
  const { fitness, found, advice } = await lookAtPorts()
  holder.close()
  expect([fitness, found]).toEqual(['caution', expect.stringContaining('8000 is taken by another program')])
  expect(advice).toContain('PORT=8001')
})

test("outgoing connections must not take the checks' ports", () => {
  expect(judgeEphemeralPorts([32_768, 60_999]).fitness).toBe('good')
  expect(judgeEphemeralPorts([1024, 65_535]).fitness).toBe('caution')
})

test('loopback answers here', async () => {
  expect(await lookAtLoopback()).toMatchObject({
    fitness: 'good',
    found: expect.stringContaining('127.0.0.1'),
  })
})

test('a folder that cannot be written to is told; the project needs one', async () => {
  // A file in the place of the folder stops even root.
  await writeFile(join(root, '.workshop'), '')
  expect(lookAtProject(root)).toMatchObject({
    fitness: 'bad',
    advice: expect.stringContaining('copy the project'),
  })
  expect(lookAtTemporaryFolder(join(root, '.workshop')).fitness).toBe('caution')
  expect(lookAtTemporaryFolder(root).fitness).toBe('good')
})

test('a save is looked for with the watcher of the lessons, and nothing stays', async () => {
  const finding = await lookAtFileEvents(root, { EVERY_CORE_POLL: '1' }, new AbortController().signal)
  expect(finding.found).toMatch(/^a save in the project /)
  expect(lookAtProject(root).fitness).toBe('good')
  expect(judgeFileEvents(undefined, [])).toMatchObject({
    fitness: 'caution',
    advice: expect.stringContaining('EVERY_CORE_POLL=1'),
  })
})

test('other programs matter when they take cores that the checks could have', () => {
  const most = { name: 'chromium', cores: 0.9 }
  expect(judgeNoise({ installed: 2, allowed: 2, busy: 0.2, most }).fitness).toBe('good')
  expect(judgeNoise({ installed: 8, allowed: 2, busy: 6, most }).fitness).toBe('good')
  expect(judgeNoise({ installed: 2, allowed: 2, busy: 1.26, most })).toMatchObject({
    fitness: 'caution',
    found: 'they used 1.3 of 2 cores for a second, most of it chromium (0.9)',
  })
})

test.runIf(process.platform === 'linux')(
  'a battery and a slow governor are told where they can be read',
  async () => {
    expect(await lookAtPower(root)).toBeUndefined()
    const policy = 'devices/system/cpu/cpufreq/policy0'
    await files({
      [`${policy}/scaling_governor`]: 'powersave\n',
      [`${policy}/scaling_driver`]: 'acpi-cpufreq\n',
    })
    expect(await lookAtPower(root)).toMatchObject({ fitness: 'caution' })
    await files({ [`${policy}/scaling_driver`]: 'intel_pstate\n' })
    expect(await lookAtPower(root)).toMatchObject({ fitness: 'good' })
    await files({
      'class/power_supply/BAT0/type': 'Battery\n',
      'class/power_supply/BAT0/status': 'Discharging\n',
    })
    expect(await lookAtPower(root)).toMatchObject({ found: 'this machine runs on battery' })
  },
)

async function files(texts: Readonly<Record<string, string>>): Promise<void> {
  for (const [path, text] of Object.entries(texts)) {
    await mkdir(dirname(join(root, path)), { recursive: true })
    await writeFile(join(root, path), text)
  }
}
