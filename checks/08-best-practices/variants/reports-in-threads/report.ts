/** A thread that does one report for each message, in one go: nobody waits for its event loop. */

import { parentPort } from 'node:worker_threads'
import { countWords, renderHandbook } from '#handbook'

parentPort?.on('message', () => {
  let words = 0
  for (let done = 0; done < 40; done++) words += countWords(renderHandbook('report'))
  // eslint-disable-next-line unicorn/require-post-message-target-origin -- that is for windows
  parentPort?.postMessage(words)
})
