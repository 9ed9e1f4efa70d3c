// `node tools/slides/look.mjs DIR [--pictures DIR] [--lesson 03] [--size 1920x1080] [--dark]`: opens the slides that
// lie in DIR in a headless Chromium, tells which of them do not fit their frame, and takes a picture of each where a
// folder for them is named. No part of `npm test`, since it needs a Chromium (`apt-get install chromium`).

import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { WebSocket } from 'undici'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    pictures: { type: 'string' },
    lesson: { type: 'string', default: '' },
    size: { type: 'string', default: '1280x720' },
    dark: { type: 'boolean', default: false },
  },
})
const folder = resolve(positionals[0] ?? join('.workshop', 'slides'))
const [width = 1280, height = 720] = values.size.split('x').map(Number)
const files = readdirSync(folder).filter(
  (name) => /^\d\d-.*\.html$/.test(name) && name.startsWith(values.lesson),
)
if (files.length === 0) throw new Error(`There are no slides in ${folder}: run npm run slides first.`)

/** Runs in the page: shows each slide as it is, without the player's own means to make it smaller, and measures it. */
const measure = `(() => {
  document.querySelectorAll('.body').forEach((body) => { body.dataset.fit = '' })
  const found = []
  for (const leaf of document.querySelectorAll('.leaf')) {
    for (const other of document.querySelectorAll('.leaf')) other.classList.toggle('now', other === leaf)
    const slide = leaf.querySelector('.slide')
    const body = leaf.querySelector('.body') ?? slide
    const wide = [...body.querySelectorAll('pre, table, p, li')].filter((part) => part.scrollWidth > part.clientWidth + 1)
    const last = body.lastElementChild
    const used = last ? last.offsetTop + last.offsetHeight - body.offsetTop : 0
    found.push({ id: slide.id, used, over: Math.max(body.scrollHeight - body.clientHeight, 0), wide: body.scrollWidth > body.clientWidth + 1 || wide.length > 0 })
  }
  return found
})()`

const profile = mkdtempSync(join(tmpdir(), 'slides-'))
const browser = spawn(
  'chromium',
  [
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    '--remote-debugging-port=0',
    `--user-data-dir=${profile}`,
    'about:blank',
  ],
  { stdio: ['ignore', 'ignore', 'pipe'] },
)
try {
  const page = await openPage(browser)
  await page('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile: false })
  const scheme = values.dark ? 'dark' : 'light'
  await page('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: scheme }] })
  let problems = 0
  for (const file of files) {
    await page('Page.navigate', { url: pathToFileURL(join(folder, file)).href })
    await evaluate(
      page,
      `new Promise((done) => document.readyState === 'complete' ? done() : addEventListener('load', done))`,
    )
    const slides = /** @type {{ id: string, used: number, over: number, wide: boolean }[]} */ (
      await evaluate(page, measure)
    )
    const wrong = slides.filter(({ over, wide }) => over > 0 || wide)
    problems += wrong.length
    const fullest = Math.max(...slides.map(({ used }) => used))
    console.log(
      `${file}: ${slides.length} slides, ${wrong.length} do not fit; the fullest takes ${fullest} of 536 px`,
    )
    for (const { id, over, wide } of wrong)
      console.log(`  #${id}: ${over} px too high${wide ? ', too wide' : ''}`)
    if (values.pictures !== undefined)
      await takePictures(
        page,
        slides.map(({ id }) => id),
        values.pictures,
        file,
      )
  }
  process.exitCode = problems === 0 ? 0 : 1
} finally {
  browser.kill()
  await new Promise((done) => browser.on('exit', done))
  rmSync(profile, { recursive: true, force: true, maxRetries: 5 })
}

/** @param {(method: string, params?: object) => Promise<any>} page @param {string[]} ids @param {string} to @param {string} file */
async function takePictures(page, ids, to, file) {
  mkdirSync(to, { recursive: true })
  for (const [index, id] of ids.entries()) {
    await evaluate(page, `location.hash = ${JSON.stringify(id)}; dispatchEvent(new Event('hashchange'))`)
    await evaluate(page, `new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))`)
    await evaluate(
      page,
      `document.querySelectorAll('.answer.hidden').forEach((answer) => answer.classList.remove('hidden'))`,
    )
    const { data } = await page('Page.captureScreenshot', { format: 'png' })
    writeFileSync(
      join(to, `${file.slice(0, 2)}-${String(index + 1).padStart(2, '0')}.png`),
      Buffer.from(data, 'base64'),
    )
  }
}

/** @param {(method: string, params?: object) => Promise<any>} page @param {string} expression */
async function evaluate(page, expression) {
  const { result, exceptionDetails } = await page('Runtime.evaluate', {
    expression,
    awaitPromise: true,
    returnByValue: true,
  })
  if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text)
  return result.value
}

/**
 * @param {import('node:child_process').ChildProcessByStdio<null, null, import('node:stream').Readable>} chromium
 * @returns {Promise<(method: string, params?: object) => Promise<any>>} speaks to a page of it
 */
async function openPage(chromium) {
  const address = await new Promise((done, fail) => {
    chromium.on('error', () => fail(new Error('There is no chromium here: apt-get install chromium')))
    chromium.on('exit', (code) => fail(new Error(`Chromium ended with ${code}.`)))
    createInterface({ input: chromium.stderr }).on('line', (line) => {
      const found = /DevTools listening on (ws:\S+)/.exec(line)?.[1]
      if (found !== undefined) done(found)
    })
  })
  const socket = new WebSocket(address)
  await new Promise((done, fail) => {
    socket.addEventListener('open', done)
    socket.addEventListener('error', fail)
  })
  let last = 0
  /** @type {Map<number, { done: (value: any) => void, fail: (error: Error) => void }>} */
  const waiting = new Map()
  socket.addEventListener('message', ({ data }) => {
    const { id, result, error } = JSON.parse(String(data))
    const wait = waiting.get(id)
    waiting.delete(id)
    if (error) wait?.fail(new Error(error.message))
    else wait?.done(result)
  })
  /** @param {string} method @param {object} params @param {string} [sessionId] @returns {Promise<any>} */
  const send = (method, params = {}, sessionId) =>
    new Promise((done, fail) => {
      waiting.set(++last, { done, fail })
      socket.send(JSON.stringify({ id: last, method, params, sessionId }))
    })
  const { targetId } = await send('Target.createTarget', { url: 'about:blank' })
  const { sessionId } = await send('Target.attachToTarget', { targetId, flatten: true })
  await send('Page.enable', {}, sessionId)
  return (method, params) => send(method, params, sessionId)
}
