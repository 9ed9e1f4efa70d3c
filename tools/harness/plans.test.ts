import { execFileSync } from 'node:child_process'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { inheritedEnvironment, planFor, shellCommand } from './plans.ts'

const root = '/home/ada/every core'
const file = `${root}/lessons/03-basic-cluster/server.ts`

afterEach(() => vi.unstubAllEnvs())

test.each([
  'PORT',
  'WORKERS',
  'NODE_OPTIONS',
  'NODE_ENV',
  'TSX_TSCONFIG_PATH',
  'npm_config_json',
  'FORCE_TTY',
  'SHUTDOWN_MS',
])('the user’s %s does not reach a program', (name) => {
  vi.stubEnv(name, '1')
  expect(inheritedEnvironment()).not.toHaveProperty(name)
})

test.each(['PATH', 'HOME', 'LANG', 'MY_PORT', 'WORKERS_HOME'])('the user’s %s does', (name) => {
  vi.stubEnv(name, 'kept')
  expect(inheritedEnvironment()).toHaveProperty(name, 'kept')
})

describe('a plan', () => {
  test('starts the file by its path in the project, as the learner does', () => {
    expect(planFor(root, file)).toMatchObject({
      argv: [process.execPath, '--import', 'tsx', 'lessons/03-basic-cluster/server.ts'],
      cwd: root,
    })
  })

  test('starts a file outside of the project by its whole path', () => {
    expect(planFor(root, '/tmp/my server.ts').argv.at(-1)).toBe('/tmp/my server.ts')
  })

  test('sets WORKERS only when it is told, an empty one too', () => {
    expect(planFor(root, file).env).not.toHaveProperty('WORKERS')
    expect(planFor(root, file, { workers: '' }).env).toHaveProperty('WORKERS', '')
    expect(planFor(root, file, { workers: 3 }).env).toHaveProperty('WORKERS', '3')
  })

  test('binds a program to one core where it is told', () => {
    expect(planFor(root, file, { core: 1 }).argv.slice(0, 3)).toEqual(['taskset', '-c', '1'])
  })

  test('has options for the observer only where there are some', () => {
    expect(planFor(root, file).env).not.toHaveProperty('EVERY_CORE_OPTIONS')
    const options = { holdListen: 2, countMessages: true, muteWorkers: true }
    const { env } = planFor(root, file, options)
    expect(JSON.parse(env.EVERY_CORE_OPTIONS ?? '')).toEqual(options)
  })
})

describe('the command that a person can paste', () => {
  test('has the settings in front', () => {
    expect(shellCommand(root, file, { workers: 3, core: 1, env: { SHUTDOWN_MS: '500' } })).toBe(
      'WORKERS=3 SHUTDOWN_MS=500 PORT=8000 taskset -c 1 node --import tsx lessons/03-basic-cluster/server.ts',
    )
  })

  test('survives the shell, whatever stands in it', () => {
    const path = "/tmp/my 'server' $HOME é.ts"
    const command = shellCommand(root, path, { workers: '1; x' }).replace(
      'node --import tsx',
      'echo "$WORKERS"',
    )
    expect(execFileSync('sh', ['-c', command], { encoding: 'utf8', env: { WORKERS: 'none' } })).toContain(
      path,
    )
  })
})
