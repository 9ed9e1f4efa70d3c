/**
 * The reference: the same page from the same code, served as well as one process (WORKERS=0) or a plain cluster can.
 * It is what a learner's program is measured against, in the same run on the same cores. Its report is the one that
 * nobody should write: 40 pages in one go.
 */

import cluster from 'node:cluster'
import { createServer } from 'node:http'

const workers = Number(process.env.WORKERS)

if (cluster.isPrimary && workers > 0) {
  for (let forked = 0; forked < workers; forked += 1) cluster.fork()
} else {
  const { countWords, renderHandbook } = await import('#handbook')
  createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://reference')
    if (url.pathname === '/') return void response.end('{}')
    if (url.pathname === '/report') {
      let words = 0
      for (let page = 0; page < 40; page += 1) words += countWords(renderHandbook('report'))
      return void response.end(JSON.stringify({ words }))
    }
    const page = renderHandbook(url.searchParams.get('visitor') ?? '')
    if (url.pathname === '/words') return void response.end(String(countWords(page)))
    return void response.setHeader('content-type', 'text/html; charset=utf-8').end(page)
  }).listen(Number(process.env.PORT))
}
