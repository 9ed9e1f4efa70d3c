/** `npm run doctor`: what of this machine matters for the workshop, and what to do about it. */

import { colourAskedFor, readArguments } from './arguments.ts'
import type { Desk } from './desk.ts'
import { examine } from './doctor/examine.ts'
import { type Finding, isFit } from './doctor/finding.ts'
import { closingLine, findingLines } from './doctor/lines.ts'
import { UsageError, endWell } from './endings.ts'
import { pageOn } from './lesson/visit.ts'
import type { Page } from './screen/lines.ts'

export function main(args: readonly string[]): Promise<number> {
  return endWell((desk) => doctor(args, desk))
}

/** @returns 0 when all that is needed is there, 2 when something is not */
export async function doctor(args: readonly string[], desk: Desk, looks = examine): Promise<number> {
  const { flags, operands } = await readArguments(args, {
    json: 'flag',
    color: 'flag',
    'no-color': 'flag',
    help: 'flag',
  })
  if (flags.help) {
    desk.stdout.write(help)
    return 0
  }
  if (operands.length > 0) throw new UsageError(`The doctor looks at the machine as a whole: npm run doctor`)
  const page: Page = pageOn(desk.stdout, desk, colourAskedFor(flags))
  const say = (lines: readonly string[]): void => {
    if (!flags.json) desk.stdout.write(lines.map((line) => `${line}\n`).join(''))
  }
  const findings: Finding[] = []
  say([page.paint.bold('Every Core · what of this machine matters'), ''])
  for await (const finding of looks(desk)) {
    findings.push(finding)
    say(findingLines(finding, page))
  }
  say(['', ...closingLine(findings, page)])
  const fit = isFit(findings)
  if (flags.json) desk.stdout.write(`${JSON.stringify(documentOf(findings), undefined, 2)}\n`)
  return fit ? 0 : 2
}

function documentOf(findings: readonly Finding[]): object {
  return {
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
    fit: isFit(findings),
    findings,
  }
}

const help = `Looks at this machine: what of it matters for the workshop, and what to do.

  npm run doctor               a line for each thing that was looked at
  npm run doctor -- --json     the same as JSON on standard output, and nothing else

  ✓ as it should be   ! works, with less   ✗ something that is needed is missing

Exit codes: 0 all that is needed is there, 2 something is not.
`
