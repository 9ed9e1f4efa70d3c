// says: nobody catches this
setInterval(() => {}, 1_000)
void Promise.reject(new Error('nobody catches this'))
