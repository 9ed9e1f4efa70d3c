// says: one process took
const hoard: Buffer[] = []
setInterval(() => {
  if (hoard.length < 30) hoard.push(Buffer.alloc(64 * 1024 ** 2, 1))
}, 10)
