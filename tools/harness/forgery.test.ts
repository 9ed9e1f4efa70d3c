import { expect, test } from 'vitest'
import { bearsSignature, forge, maimed, signatureOf } from './forgery.ts'

test('a text is exchanged wherever and however it stands', () => {
  const bytes = Buffer.from('a text')
  expect(forge({ id: 1, text: 'a text' }, 'a text', 'another')).toEqual({ id: 1, text: 'another' })
  expect(forge(['sign', { deep: 'a text' }], 'a text', null)).toEqual(['sign', { deep: null }])
  expect(forge({ it: bytes.toString('base64') }, 'a text', 'x')).toEqual({ it: 'eA==' })
  expect(forge({ it: bytes.toJSON() }, 'a text', 'x')).toEqual({ it: { type: 'Buffer', data: [120] } })
  expect(forge('{"text":"a text"}', 'a text', 7)).toBe('{"text":7}')
})

test('a message without the text is none to forge', () => {
  expect(forge({ id: 1, text: 'a text of others' }, 'a text', 'x')).toBeUndefined()
  expect(forge(null, 'a text', 'x')).toBeUndefined()
})

test('a message is maimed at each field', () => {
  expect(maimed({ a: 1, b: 2 })).toEqual([{ a: null, b: 2 }, { b: 2 }, { a: 1, b: null }, { a: 1 }])
  expect(maimed(['a', 1])).toEqual([[null, 1], [1], ['a', null], ['a']])
  expect(maimed('text')).toEqual([])
})

test('a signature is known in every writing, and also when it is one of something else', () => {
  const signature = signatureOf('key', 'text')
  const bytes = Buffer.from(signature, 'hex')
  expect(bearsSignature(JSON.stringify({ it: bytes.toString('base64') }), [signature], '')).toBe(true)
  expect(bearsSignature(JSON.stringify({ it: bytes }), [signature], '')).toBe(true)
  expect(bearsSignature(JSON.stringify({ it: signature }), [], '')).toBe(true)
  expect(bearsSignature(JSON.stringify({ id: signature }), [], `{"id":"${signature}"}`)).toBe(false)
  expect(bearsSignature('{"error":"no"}', [signature], '')).toBe(false)
})
