/** What both roles of `top-level-import.ts` know. */

export const port = Number(process.env.PORT || 8000)

/** A worker's exit code when it cannot listen. */
export const NO_PORT = 20
