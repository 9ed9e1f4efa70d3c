export const folder = process.env.DATA_DIR || '.workshop/sessions'
export const ttl = Number(process.env.SESSION_TTL_MS || 1_800_000)
export const NO_STORE = 17
