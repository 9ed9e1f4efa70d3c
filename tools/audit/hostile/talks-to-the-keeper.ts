// passes: who says nothing sensible is not heard
// check: SIGTERM ends the program
import cluster from 'node:cluster'
import { connect } from 'node:net'

const [port, token] = (process.env.EVERY_CORE_KEEPER ?? '').split(':')
const say = (text: string): void => {
  const socket = connect(Number(port), '127.0.0.1')
  socket.on('error', () => {}).unref()
  socket.write(text)
}
if (cluster.isPrimary) {
  for (const junk of ['null', '[]', '7', '"x"', '{', '{"token":null}', '\0\xff', 'GET / HTTP/1.1\r\n\r'])
    say(`${junk}\n`)
  const hello = JSON.stringify({ token, run: process.env.EVERY_CORE_RUN, pid: -1, type: 'hello' })
  for (const junk of ['null', '[]', '{"type":7}', '{"type":"usage","id":null}', '{'])
    say(`${hello}\n${junk}\n`)
  say('x'.repeat(64 * 1024 ** 2))
}
await import('../../../solutions/02-two-roles/server.ts')
