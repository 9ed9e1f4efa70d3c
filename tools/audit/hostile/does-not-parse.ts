// says: it ended by itself (exit code 1): Error [TransformError]
// @ts-nocheck
const port = = process.env.PORT
