import { cold } from './cold.js'
import { open } from './open.js'
import { start } from './start.js'
import type { Question } from './support/question.js'
import { threads } from './threads.js'
import { warm } from './warm.js'

/** Every benchmark, in the order of the document. */
export const QUESTIONS: readonly Question[] = [start, open, cold, warm, threads]
