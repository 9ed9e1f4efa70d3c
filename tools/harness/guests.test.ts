import { expect, test } from 'vitest'
import { sessionCookie } from './guests.ts'
import type { Answer } from './http.ts'

const answerWith = (...cookies: string[]): Answer => ({
  ok: true,
  status: 204,
  headers: { 'set-cookie': cookies },
  rawHeaders: [],
  text: '',
  servedBy: undefined,
  ms: 1,
})

test('a cookie is read with its attributes, in any case and order', () => {
  const cookie = sessionCookie(answerWith('theme=dark', 'sid=a=b; path=/;HttpOnly; SAMESITE=Lax'))
  expect(cookie?.value).toBe('a=b')
  expect([...(cookie?.attributes ?? [])]).toEqual([
    ['path', '/'],
    ['httponly', ''],
    ['samesite', 'Lax'],
  ])
})

test('the last of several counts, and one of another name does not', () => {
  expect(sessionCookie(answerWith('sid=old; Path=/', 'sid=new'))?.value).toBe('new')
  expect(sessionCookie(answerWith('xsid=1', 'sidx=2'))).toBeUndefined()
})
