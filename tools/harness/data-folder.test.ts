import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { replaceByFolders, spoilFiles } from './data-folder.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
let folder: string
beforeAll(() => {
  mkdirSync(join(root, '.workshop'), { recursive: true })
  folder = mkdtempSync(join(root, '.workshop', 'test-'))
  mkdirSync(join(folder, 'below'))
  writeFileSync(join(folder, 'data.mdb'), Buffer.alloc(10_000))
  writeFileSync(join(folder, 'lock.mdb'), 'a lock')
  writeFileSync(join(folder, 'below', 'more.db'), '')
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('every file but locks is spoilt, also in folders below', () => {
  expect(spoilFiles(folder)).toBe(2)
  expect(readFileSync(join(folder, 'data.mdb'), 'utf8')).toMatch(/^These are not the bytes/)
  expect(statSync(join(folder, 'data.mdb')).size).toBe(10_000)
  expect(statSync(join(folder, 'below', 'more.db')).size).toBe(4096)
  expect(readFileSync(join(folder, 'lock.mdb'), 'utf8')).toBe('a lock')
})

test('then each of them is a folder', () => {
  expect(replaceByFolders(folder)).toBe(2)
  expect(statSync(join(folder, 'data.mdb')).isDirectory()).toBe(true)
  expect(replaceByFolders(folder)).toBe(0)
})

test('a folder that is not there has no files', () => {
  expect(spoilFiles(join(folder, 'nowhere'))).toBe(0)
})
