/** Copies of the project that may be spoilt. */

import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { projectRoot } from '../catalog.ts'

/** Makes a folder under `.workshop/`, and removes it whatever comes of it. */
export async function inFolder<Result>(
  prefix: string,
  act: (folder: string) => Promise<Result>,
): Promise<Result> {
  mkdirSync(join(projectRoot, '.workshop'), { recursive: true })
  const folder = mkdtempSync(join(projectRoot, '.workshop', prefix))
  try {
    return await act(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The tools find the project by their own place, so a link to them would lead out of the copy. */
const rooms = ['tools', 'lessons', 'solutions', 'checks']
const left = ['.git', '.workshop']

/** The rooms are copied, all else is linked; with `modules`, all is copied, as in a clone of its own. */
export function copyProject(folder: string, { modules = false }: { readonly modules?: boolean } = {}): void {
  for (const name of readdirSync(projectRoot)) {
    const from = join(projectRoot, name)
    if (left.includes(name)) continue
    if (modules || rooms.includes(name))
      cpSync(from, join(folder, name), { recursive: true, verbatimSymlinks: true })
    else symlinkSync(from, join(folder, name))
  }
}
