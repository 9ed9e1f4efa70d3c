/** Single keys from a terminal, without Enter. */

import type { Input } from '../desk.ts'

export type Key = 'hint' | 'solution' | 'again' | 'quit' | 'interrupt'

const keys: Readonly<Record<string, Key>> = {
  h: 'hint',
  s: 'solution',
  r: 'again',
  q: 'quit',
  '\u0003': 'interrupt',
  '\u0004': 'quit',
}

const suspend = '\u001A'
const end = '\u0004'

/**
 * @param onSuspend before Ctrl-Z stops the program
 * @param onReturn when it goes on
 * @returns gives the terminal back
 */
export function listenForKeys(
  stdin: Input,
  onKey: (key: Key) => void,
  onSuspend: () => void,
  onReturn: () => void,
): { close(): void } {
  const onCharacter = (character: string): void => {
    const key = keys[character.toLowerCase()]
    if (key !== undefined) onKey(key)
  }
  return listenForCharacters(stdin, onCharacter, onSuspend, onReturn)
}

/** Every key that has a character, as it is typed; the end of the input is Ctrl-D. */
export function listenForCharacters(
  stdin: Input,
  onCharacter: (character: string) => void,
  onSuspend: () => void,
  onReturn: () => void,
): { close(): void } {
  const onData = (chunk: Buffer | string): void => {
    const text = chunk.toString()
    // Arrows and other special keys come as one escape sequence.
    if (text.startsWith('\u001B')) return
    for (const character of text) {
      if (character === suspend) suspendGroup()
      else onCharacter(character)
    }
  }
  const onEnd = (): void => onCharacter(end)
  const onContinue = (): void => {
    stdin.setRawMode?.(true)
    onReturn()
  }
  // In raw mode the terminal sends the key and not the signal. npm is of the group and has to stop as well.
  const suspendGroup = (): void => {
    onSuspend()
    stdin.setRawMode?.(false)
    process.kill(0, 'SIGTSTP')
  }
  stdin.setRawMode?.(true)
  stdin.resume()
  stdin.on('data', onData)
  stdin.on('end', onEnd)
  process.on('SIGCONT', onContinue)
  return {
    close() {
      process.off('SIGCONT', onContinue)
      stdin.removeListener('data', onData)
      stdin.removeListener('end', onEnd)
      stdin.setRawMode?.(false)
      stdin.pause()
    },
  }
}
