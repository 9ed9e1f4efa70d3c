/** Colour, or none: decided once per output from what the person said and what the output is. */

import pc from 'picocolors'
import type { Output } from '../desk.ts'

export type Paint = ReturnType<typeof pc.createColors>

/** What the command line says about colour; undefined when it says nothing. */
export type ColourWish = boolean | undefined

/** The command line decides, then FORCE_COLOR, then NO_COLOR (https://no-color.org), then whether it is a terminal. */
export function wantsColour(output: Output, env: NodeJS.ProcessEnv, wish: ColourWish): boolean {
  if (wish !== undefined) return wish
  // What `npm run check --no-color` leaves of the option that npm took for itself.
  if (env['npm_config_color'] === '' || env['npm_config_color'] === 'false') return false
  const force = env['FORCE_COLOR']
  if (force !== undefined) return force !== '0' && force !== 'false'
  if (env['NO_COLOR'] !== undefined && env['NO_COLOR'] !== '') return false
  return output.isTTY === true && env['TERM'] !== 'dumb'
}

export function paintFor(colour: boolean): Paint {
  return pc.createColors(colour)
}
