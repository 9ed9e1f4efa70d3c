/** The colours of a text in the terminal, in one place. */

import picocolors from 'picocolors'

export interface Paint {
  readonly isColoured: boolean
  readonly title: (text: string) => string
  readonly heading: (text: string) => string
  readonly strong: (text: string) => string
  readonly emphasis: (text: string) => string
  readonly quiet: (text: string) => string
  /** A name or command inside a sentence. */
  readonly code: (text: string) => string
  /** A piece of program text, by the highlighter's classes, the outermost first. */
  readonly syntax: (classes: readonly string[], text: string) => string
}

/** What is painted is decided by the caller, not by what this process writes to. */
export function paintFor(colour: boolean): Paint {
  const colours = picocolors.createColors(colour)
  const syntax: Readonly<Record<string, (text: string) => string>> = {
    'hljs-keyword': colours.magenta,
    'hljs-literal': colours.magenta,
    'hljs-built_in': colours.magenta,
    'hljs-string': colours.green,
    'hljs-regexp': colours.green,
    'hljs-number': colours.yellow,
    'hljs-type': colours.yellow,
    'hljs-title class_': colours.yellow,
    'hljs-title function_': colours.blue,
    'hljs-attr': colours.blue,
    'hljs-comment': colours.gray,
    'hljs-doctag': colours.bold,
    // What stands between `${` and `}` is program text again.
    'hljs-subst': (text) => text,
  }
  return {
    isColoured: colour,
    title: (text) => colours.bold(text),
    heading: (text) => colours.bold(colours.magenta(text)),
    strong: colours.bold,
    emphasis: colours.italic,
    quiet: colours.gray,
    code: colour ? colours.cyan : (text) => `\`${text}\``,
    syntax: (classes, text) => syntax[classes.findLast((name) => name in syntax) ?? '']?.(text) ?? text,
  }
}
