/** Which lesson a person means: its number, its folder's name, or a part of that. */

import { type Lesson } from '../catalog.ts'
import { nearest } from './arguments.ts'
import { UsageError } from './endings.ts'

/** @throws UsageError that names the lessons there are */
export async function chooseLesson(given: string, lessons: readonly Lesson[]): Promise<Lesson> {
  const byNumber = /^\d+$/.test(given) ? lessons.find((lesson) => lesson.number === Number(given)) : undefined
  const exact = byNumber ?? lessons.find((lesson) => lesson.slug === given || nameOf(lesson) === given)
  if (exact !== undefined) return exact
  const wanted = given.toLowerCase().replaceAll(' ', '-')
  const parts = /^\d*$/.test(given) ? [] : lessons.filter((lesson) => lesson.slug.includes(wanted))
  if (parts.length === 1 && parts[0] !== undefined) return parts[0]
  if (parts.length > 1) {
    throw new UsageError(`${given} may mean ${parts.map(described).join(' or ')}: give the number.`)
  }
  throw await unknownLesson(given, lessons)
}

async function unknownLesson(given: string, lessons: readonly Lesson[]): Promise<UsageError> {
  const range = `1 to ${lessons.length}`
  if (/^\d+$/.test(given)) return new UsageError(`There is no lesson ${given}: choose ${range}.`)
  const match = await nearest(given.toLowerCase(), lessons.map(nameOf))
  const meant = lessons.find((lesson) => nameOf(lesson) === match)
  const advice = meant === undefined ? '' : ` Did you mean ${described(meant)}?`
  return new UsageError(`There is no lesson ${given}: choose ${range}.${advice}`)
}

function nameOf(lesson: Lesson): string {
  return lesson.slug.slice(3)
}

function described(lesson: Lesson): string {
  return `${lesson.number} (${nameOf(lesson)})`
}
