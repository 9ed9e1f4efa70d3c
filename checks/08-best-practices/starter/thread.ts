/** Given: threads in TypeScript, for whoever wants to render reports off the event loop. */

import { Worker } from 'node:worker_threads'

/**
 * Runs a TypeScript file of this folder in a thread of its own: `startThread('./report.ts')`. It gets `data` as
 * `workerData` of node:worker_threads.
 *
 * A new thread does not inherit tsx's loader on Node 20, and `new Worker('report.ts')` fails with
 * ERR_UNKNOWN_FILE_EXTENSION. So the thread first runs two lines of JavaScript, which register the loader.
 */
export function startThread(file: string, data?: unknown): Worker {
  const tsx = JSON.stringify(import.meta.resolve('tsx/esm/api'))
  const url = JSON.stringify(new URL(file, import.meta.url).href)
  const source = `import(${tsx}).then(({ register }) => { register(); return import(${url}) })`
  return new Worker(source, { eval: true, workerData: data })
}
