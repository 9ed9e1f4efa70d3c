import { expect, test, vi } from 'vitest'
import { patientNow, pause, seconds, until } from './patience.ts'

/** Holds the event loop of this process. */
function block(ms: number): void {
  const end = performance.now() + ms
  while (performance.now() < end);
}

/** Lets timers and I/O have a turn. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

test('a blocked event loop moves the patient clock by one late tick at most', () => {
  const before = patientNow()
  block(300)
  expect(patientNow() - before).toBeLessThanOrEqual(60)
})

test('the patient clock only goes forward', async () => {
  const readings: number[] = []
  await until(() => (readings.push(patientNow()) > 5 ? true : undefined), { within: seconds(5) })
  expect(readings).toEqual([...readings].sort((a, b) => a - b))
})

test('what comes true behind a block that is longer than the deadline is found', async () => {
  let found: string | undefined
  const waiting = until(() => found, { within: 500 })
  setImmediate(() => {
    block(1_000)
    setImmediate(() => (found = 'in time'))
  })
  expect(await waiting).toBe('in time')
})

test('what is there already is found at the first look', async () => {
  const look = vi.fn(() => 'there')
  expect(await until(look, { within: 0 })).toBe('there')
  expect(look).toHaveBeenCalledTimes(1)
})

test('false and 0 are something other than undefined', async () => {
  expect(await until(() => false, { within: 0 })).toBe(false)
  expect(await until(() => 0, { within: 0 })).toBe(0)
})

test('a wait for what never comes ends with undefined', async () => {
  expect(await until(() => undefined, { within: 30 })).toBeUndefined()
})

test('a wait rejects with what its look throws, at once or later', async () => {
  const fault = new Error('a fault')
  const fail = (): never => {
    throw fault
  }
  await expect(until(fail, { within: 30 })).rejects.toBe(fault)
  let looks = 0
  await expect(until(() => ((looks += 1) > 2 ? fail() : undefined), { within: seconds(5) })).rejects.toBe(
    fault,
  )
})

test('whoever wakes a wait has it look at once, and is told to stop when it is over', async () => {
  let again = (): void => {}
  const stop = vi.fn()
  let found: string | undefined
  let result: string | undefined
  const waiting = until(() => found, {
    within: seconds(10),
    wake(look) {
      again = look
      return stop
    },
  }).then((value) => (result = value))
  found = 'woken'
  again()
  await waiting
  expect(result).toBe('woken')
  expect(stop).toHaveBeenCalledTimes(1)
})

test('a wait that is over no longer looks', async () => {
  const look = vi.fn(() => undefined)
  let again = (): void => {}
  await until(look, { within: 30, wake: (it) => ((again = it), () => (again = () => {})) })
  const looks = look.mock.calls.length
  again()
  await pause(60)
  expect(look).toHaveBeenCalledTimes(looks)
})

test('nobody asks what the machine took when the wait is over in time', async () => {
  const taken = vi.fn(() => Promise.resolve(2))
  await until(() => true, { within: 30, taken })
  expect(taken).not.toHaveBeenCalled()
})

test('a deadline is stretched by what the machine took from the wait', async () => {
  const start = patientNow()
  await until(() => undefined, { within: 100, taken: () => Promise.resolve(200) })
  expect(patientNow() - start).toBeGreaterThanOrEqual(300)
})

test('what the machine takes in the stretched time stretches it further', async () => {
  const readings = [100, 200, 200]
  const start = patientNow()
  await until(() => undefined, { within: 100, taken: async () => readings.shift() ?? 200 })
  expect(patientNow() - start).toBeGreaterThanOrEqual(300)
  expect(readings).toEqual([])
})

test('no machine stretches a deadline more than four times', async () => {
  const start = patientNow()
  await until(() => undefined, { within: 50, taken: () => Promise.resolve(1_000_000) })
  const waited = patientNow() - start
  expect(waited).toBeGreaterThanOrEqual(200)
  expect(waited).toBeLessThan(1_000 * 50)
})

test('what comes in the stretched time is found', async () => {
  let found: true | undefined
  const taken = async (): Promise<number> => {
    await turn()
    found = true
    return 200
  }
  expect(await until(() => found, { within: 30, taken })).toBe(true)
})
