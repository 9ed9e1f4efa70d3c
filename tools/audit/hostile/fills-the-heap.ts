// says: of memory, so the program was stopped
// whole
const hoard: number[][] = []
setInterval(() => {
  for (let more = 0; more < 8; more += 1) hoard.push(Array<number>(1_000_000).fill(0.5))
}, 10)
