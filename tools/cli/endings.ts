/** How a command ends: whose fault an error is decides what is said and with which exit code. */

import { EnvironmentProblem } from '../harness/problems.ts'
import { type Desk, Interruption, type Output, deskOfProcess } from './desk.ts'

/** The command was asked for something that it does not do. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/**
 * Runs a command at the desk of this process.
 * @returns its exit code; 2 for a wrong usage or an unfit machine, after a line of advice on standard error
 * @throws what nobody expected: the workshop's own fault
 */
export async function endWell(command: (desk: Desk) => Promise<number>): Promise<number> {
  const desk = deskOfProcess()
  for (const stream of [desk.stdout, desk.stderr]) stream.on('error', ignoreWhenGone)
  return exitCodeOfCommand(desk, command)
}

/** The part of `endWell` that needs no process. */
export async function exitCodeOfCommand(
  desk: Desk,
  command: (desk: Desk) => Promise<number>,
): Promise<number> {
  try {
    return await command(desk)
  } catch (error) {
    if (error instanceof Interruption) return error.exitCode
    if (error instanceof UsageError) return refuse(desk.stderr, error.message)
    if (error instanceof EnvironmentProblem) return refuse(desk.stderr, `${error.message}\n${error.advice}`)
    throw error
  }
}

/** Whether this error says that nobody reads the output any more: `| head -1`, or a closed terminal. */
export function isGone(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'EPIPE' || error.code === 'EIO')
}

function ignoreWhenGone(error: Error): void {
  if (!isGone(error)) throw error
}

function refuse(stderr: Output, why: string): number {
  stderr.write(`${why}\n`)
  return 2
}
