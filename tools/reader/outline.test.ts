import { expect, test } from 'vitest'
import { taskOf } from './outline.ts'

test('the task is the title and the section "Your task"', () => {
  expect(
    taskOf('# 1 · One thread\n\nLong story.\n\n## Your task\n\nMend `/report`.\n\n## Why\n\nBecause.\n'),
  ).toBe('# 1 · One thread\n\n## Your task\n\nMend `/report`.\n')
})

test('a text without a task shows its title', () => {
  expect(taskOf('# 1 · One thread\n\nLong story.\n')).toBe('# 1 · One thread\n')
})

test('an empty text has no task', () => {
  expect(taskOf('')).toBe('')
})
