/** Claims that are looked at side by side and told in their order. */

/** Waits for all of them; of those that fail the first is told, whichever came first. */
export async function inOrder(claims: readonly Promise<unknown>[]): Promise<void> {
  const outcomes = await Promise.allSettled(claims)
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
}
