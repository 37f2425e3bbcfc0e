import type { Question } from './support/question.js'
import { warm } from './warm.js'

/** Every benchmark, in the order of the document. */
export const QUESTIONS: readonly Question[] = [warm]
