import { defineConfig } from 'vitest/config'

/** Unit tests. The checks of the lessons have a runner of their own: tools/harness/grading.ts. */
export default defineConfig({
  cacheDir: '.workshop/cache/vite',
  test: { include: ['tools/**/*.test.ts'], testTimeout: 60_000, hookTimeout: 60_000 },
})
