/** The files that results of a run go to, and what they look like there. */

import type { Lesson } from '../../catalog.ts'
import type { Results } from '../../harness/verdict.ts'
import { UsageError } from '../endings.ts'
import { type Document, documentOf, reserveDocument } from './document.ts'

export interface Outputs extends Disposable {
  /** How many there are. */
  readonly size: number
  write(results: Results): Promise<void>
}

/** The files that the command line names. */
export type Named = Readonly<Record<'output' | 'junit' | 'markdown', string | undefined>>

const formats = ['output', 'junit', 'markdown'] as const

/** @throws UsageError when one of them cannot be written, or is named twice */
export function reserveOutputs(named: Named, lessons: readonly Lesson[], root: string): Outputs {
  const reserved: { readonly format: (typeof formats)[number]; readonly document: Document }[] = []
  const dispose = (): void => {
    for (const { document } of reserved) document[Symbol.dispose]()
  }
  try {
    for (const format of formats) {
      const path = named[format]
      if (path === undefined) continue
      const option = `--${format}`
      // A code host collects in one file what all steps of a job add to it.
      const document = reserveDocument({ option, path, root, append: format === 'markdown' })
      const twice = reserved.find((other) => other.document.file === document.file)
      reserved.push({ format, document })
      if (twice !== undefined) {
        throw new UsageError(
          `--${twice.format} and ${option} name the same file, ${document.file}: give each one of its own.`,
        )
      }
    }
  } catch (error) {
    dispose()
    throw error
  }
  return {
    size: reserved.length,
    async write(results) {
      for (const { format, document } of reserved) document.write(await textOf(format, results, lessons))
    },
    [Symbol.dispose]: dispose,
  }
}

async function textOf(
  format: (typeof formats)[number],
  results: Results,
  lessons: readonly Lesson[],
): Promise<string> {
  switch (format) {
    case 'output':
      return documentOf(results)
    case 'junit':
      return (await import('./junit.ts')).junitOf(results)
    case 'markdown': {
      const { markdownOf } = await import('./markdown.ts')
      return markdownOf(results, (slug) => lessons.find((lesson) => lesson.slug === slug)?.title ?? slug)
    }
  }
}
