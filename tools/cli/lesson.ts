/** `npm run lesson`: the lessons, and all that a learner does with one of them. */

import { lessons as allLessons } from '../catalog.ts'
import { colourAskedFor, nearest, readArguments } from './arguments.ts'
import { chooseLesson } from './choice.ts'
import type { Desk } from './desk.ts'
import { UsageError, endWell } from './endings.ts'
import type { Visit } from './lesson/visit.ts'

export function main(args: readonly string[]): Promise<number> {
  return endWell((desk) => lesson(args, desk))
}

interface Wishes {
  /** What stands behind the action. */
  readonly words: readonly string[]
  /** A long text may go through a pager. */
  readonly pager: boolean
  /** No live view. */
  readonly plain: boolean
  /** The solution in place of the learner's files, not only shown. */
  readonly take: boolean
}

/** Each action loads what it needs when it is asked for. */
const actions = {
  study,
  read: async (visit: Visit, wishes: Wishes) => (await import('./lesson/read.ts')).read(visit, wishes),
  hint: async (visit: Visit) => (await import('./lesson/hint.ts')).hint(visit),
  run: async (visit: Visit, wishes: Wishes) => (await import('./lesson/run.ts')).run(visit, wishes),
  solution: async (visit: Visit, wishes: Wishes) =>
    wishes.take
      ? (await import('./lesson/take.ts')).take(visit)
      : (await import('./lesson/solution.ts')).solution(visit, wishes),
  predict: async (visit: Visit, { words }: Wishes) =>
    (await import('./lesson/predict.ts')).predict(visit, words),
  reset: async (visit: Visit) => (await import('./lesson/reset.ts')).reset(visit),
}

async function study(visit: Visit): Promise<number> {
  const interruption = visit.desk.interruption()
  // The runner takes a while to open; all else is loaded in that time.
  const opening = visit.desk.openGrader()
  const lessonStudy = await import('./lesson/study.ts')
  return lessonStudy.study(visit, { opening, interruption })
}

/** @returns an exit code; a lesson that is checked once ends like `check` */
export async function lesson(args: readonly string[], desk: Desk): Promise<number> {
  const { flags, operands } = await readArguments(args, {
    color: 'flag',
    'no-color': 'flag',
    help: 'flag',
    plain: 'flag',
    'no-pager': 'flag',
    take: 'flag',
  })
  if (flags.help) {
    desk.stdout.write(help)
    return 0
  }
  const colour = colourAskedFor(flags)
  const lessons = allLessons(desk.root)
  const [given, action = 'study', ...rest] = inOrder(operands)
  if (given === undefined) return (await import('./lesson/list.ts')).list({ desk, lessons, colour })
  const chosen = await chooseLesson(given, lessons)
  if (!isAction(action)) throw await unknownAction(action, chosen.number)
  if (rest.length > 0 && action !== 'predict')
    throw new UsageError(`That is too much: npm run lesson ${chosen.number} ${action}`)
  if (flags.plain && action !== 'run')
    throw new UsageError(`--plain is for run: npm run lesson ${chosen.number} run`)
  if (flags.take && action !== 'solution')
    throw new UsageError(`--take is for solution: npm run lesson ${chosen.number} solution -- --take`)
  const { plain, take } = flags
  return actions[action](
    { desk, lesson: chosen, lessons, colour },
    {
      plain,
      take,
      pager: !flags['no-pager'],
      words: rest,
    },
  )
}

/** `lesson hint 3` means the same as `lesson 3 hint`. */
function inOrder(operands: readonly string[]): readonly string[] {
  const [first, second, ...rest] = operands
  if (first === undefined || second === undefined || !isAction(first)) return operands
  return [second, first, ...rest]
}

function isAction(name: string): name is keyof typeof actions {
  return Object.hasOwn(actions, name)
}

async function unknownAction(name: string, number: number): Promise<UsageError> {
  const names = Object.keys(actions).filter((action) => action !== 'study')
  const match = await nearest(name, names)
  const advice =
    match === undefined ? `choose ${names.join(', ')}` : `did you mean npm run lesson ${number} ${match}?`
  return new UsageError(`A lesson has no ${name}: ${advice}`)
}

const help = `The lessons.

  npm run lesson               all lessons, what you have done, and which is next
  npm run lesson 3             the task of lesson 3, checked at every save until it passes
  npm run lesson 3 read        its whole text
  npm run lesson 3 hint        the next hint for the check that fails now
  npm run lesson 3 predict     asks for your guesses, and keeps them: what came of them is told when it passes
  npm run lesson 3 run         runs your server; in a terminal with a live view of its processes, and keys
                               that kill, hang or crash one, load it, and reload it (-- --plain: without)
  npm run lesson 3 solution    what the reference solution does differently from your file
  npm run lesson 3 solution -- --take   puts the solution in place of your files; your attempt is kept
  npm run lesson 3 reset       the starter again; your attempt is kept

In a terminal a long text goes through $PAGER, or less; -- --no-pager: straight through.
A lesson has a number and a name: 3, 03, basic-cluster and basic all mean the third.
If saves go unnoticed (network drives, shared folders), set EVERY_CORE_POLL=1.
`
