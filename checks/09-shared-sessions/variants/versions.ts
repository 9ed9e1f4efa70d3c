// right: no lock but versions (whoever finds another one begins again), a class for each store, and a file for the workers

import cluster from 'node:cluster'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { folder, NO_STORE } from './versions/settings.ts'

class Cluster {
  readonly #wanted = Number(process.env.WORKERS || availableParallelism())
  readonly #listening = new Set<number>()
  #announced = false

  start(): void {
    cluster.setupPrimary({ exec: fileURLToPath(new URL('./versions/worker.ts', import.meta.url)) })
    cluster.on('listening', ({ id }, { port }) => {
      this.#listening.add(id)
      if (this.#announced || this.#listening.size < this.#wanted) return
      this.#announced = true
      console.log(`ready: ${this.#wanted} workers on port ${port}`)
    })
    cluster.on('exit', ({ id }, code) => {
      if (code === NO_STORE) {
        console.error(`No sessions: ${folder} is not to be used.`)
        process.exitCode = 1
        for (const worker of Object.values(cluster.workers ?? {})) worker?.process.kill('SIGKILL')
        cluster.removeAllListeners('exit')
        return
      }
      this.#listening.delete(id)
      setTimeout(() => cluster.fork(), 50)
    })
    for (let forked = 0; forked < this.#wanted; forked += 1) cluster.fork()
  }
}

new Cluster().start()
