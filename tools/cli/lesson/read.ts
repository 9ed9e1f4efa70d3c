/** The whole text of a lesson, in a pager when that helps. */

import { show } from './pager.ts'
import { wholeText } from './text.ts'
import type { Visit } from './visit.ts'

export async function read(visit: Visit, wishes: { readonly pager: boolean }): Promise<number> {
  await show(`${wholeText(visit)}\n`, visit.desk, wishes)
  return 0
}
