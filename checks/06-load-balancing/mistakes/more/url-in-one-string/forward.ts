/** The given forwarder, with the worker's address written as one URL. */

import { Agent, request as send, type IncomingMessage, type ServerResponse } from 'node:http'

/** How it ended. Only after `unanswered` is there still something to say to the client. */
export type Outcome =
  /** The client has the whole answer. */
  | 'answered'
  /** The worker failed before the first byte of its answer, so the client has got nothing yet. */
  | 'unanswered'
  /** The worker failed in the middle of its answer, and the client's connection was cut: half is not the whole. */
  | 'cut'
  /** The client went away, and the worker's request was cancelled. */
  | 'left'

/** Connections to the workers are kept and used again. Workers never close an idle one, so none is lost in between. */
const agent = new Agent({ keepAlive: true })

/** Resolves once, when nothing of the exchange is left, and never rejects. */
export function forward(request: IncomingMessage, response: ServerResponse, port: number): Promise<Outcome> {
  return new Promise((resolve) => {
    const { socket } = request
    if (socket.destroyed) return resolve('left')

    const { method = 'GET', url = '/' } = request
    // A client may also name a whole URL, or `*`; these are paths to the worker, and none that it knows.
    const path = url.startsWith('/') ? url : `/${url}`
    const upstream = send(`http://127.0.0.1:${port}${path}`, { agent, method, headers: headersFor(request) })
    let answer: IncomingMessage | undefined

    upstream.on('continue', () => response.writeContinue())
    upstream.on('response', (message) => {
      answer = message
      respond(answer, response)
    })
    // Whatever goes wrong, 'close' follows. An error alone ends nothing, but unheard it would end the process.
    upstream.on('error', () => {})
    upstream.on('close', () => {
      if (answer === undefined) settle(socket.destroyed ? 'left' : 'unanswered')
      else if (!answer.complete) response.destroy()
    })
    // The connection's event, too: a response that waits behind another one on its connection never has its own.
    response.on('close', leave)
    socket.on('close', leave)

    request.pipe(upstream, { end: false })
    if (request.readableEnded) finish()
    else request.on('end', finish)

    function finish(): void {
      upstream.addTrailers(pairs(request.rawTrailers))
      upstream.end()
    }

    function leave(): void {
      if (response.writableFinished) return settle('answered')
      upstream.destroy()
      settle(answer !== undefined && answer.destroyed && !answer.complete ? 'cut' : 'left')
    }

    function settle(outcome: Outcome): void {
      response.off('close', leave)
      socket.off('close', leave)
      request.off('end', finish)
      // An answer may come before the end of the upload. The rest has to be read all the same, or the client's
      // connection is stuck behind it; the worker's cannot be used again.
      request.unpipe(upstream)
      request.resume()
      if (!upstream.writableEnded) upstream.destroy()
      resolve(outcome)
    }
  })
}

/** Streams a worker's answer to the client, at the client's pace. */
function respond(answer: IncomingMessage, response: ServerResponse): void {
  for (const [name, value] of endToEnd(answer)) response.appendHeader(name, value)
  response.writeHead(answer.statusCode ?? 502, answer.statusMessage)
  answer.pipe(response, { end: false })
  answer.on('error', () => {})
  answer.on('end', () => {
    response.addTrailers(pairs(answer.rawTrailers))
    response.end()
  })
}

/** What the worker gets to read: the client's headers, as they came, and who the client was. */
function headersFor(request: IncomingMessage): string[] {
  const rewritten = ['x-forwarded-for', 'content-length']
  const kept = endToEnd(request).filter(([name]) => !rewritten.includes(name.toLowerCase()))

  // A server on `::` sees IPv4 clients as `::ffff:192.0.2.1`.
  const client = request.socket.remoteAddress?.replace(/^::ffff:(?=[\d.]+$)/i, '')
  const chain = [request.headers['x-forwarded-for'], client].flat()
  kept.push(['x-forwarded-for', chain.filter((one) => one !== undefined && one !== '').join(', ')])

  // Where the body ends is never left to what the client names in `connection`: a worker that sees another end than
  // the primary takes the rest for a request of its own. Without these lines there is no body.
  const { 'transfer-encoding': encoding, 'content-length': length } = request.headers
  if (encoding !== undefined) kept.push(['transfer-encoding', 'chunked'])
  else if (length !== undefined) kept.push(['content-length', length])
  else if (request.method === 'POST' || request.method === 'PUT') kept.push(['content-length', '0'])
  return kept.flat()
}

/** What only concerns the connection on which it came (RFC 9110, 7.6.1). Trailers come without being announced. */
const hopByHop = [
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]

/** The headers that are meant for the other end, in their order and with every repeat. */
function endToEnd({ rawHeaders, headers }: IncomingMessage): [name: string, value: string][] {
  const named = headers.connection?.toLowerCase().split(/[\s,]+/) ?? []
  const dropped = new Set([...hopByHop, ...named])
  return pairs(rawHeaders).filter(([name]) => !dropped.has(name.toLowerCase()))
}

/** Names and values, which Node lists in turns. */
function pairs(list: readonly string[]): [name: string, value: string][] {
  return list.flatMap((name, index) =>
    index % 2 === 0 ? [[name, list[index + 1] ?? ''] as [string, string]] : [],
  )
}
