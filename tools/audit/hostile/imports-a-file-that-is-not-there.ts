// says: Cannot find module | routes.ts
// @ts-nocheck
import { routes } from './routes.ts'

routes()
