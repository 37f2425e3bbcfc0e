import { ahead } from './ahead.js'
import { application } from './application.js'
import { busy } from './busy.js'
import { cold } from './cold.js'
import { compaction } from './compaction.js'
import { connections } from './connections.js'
import { hydrate } from './hydrate.js'
import { idle } from './idle.js'
import { memory } from './memory.js'
import { open } from './open.js'
import { restore } from './restore.js'
import { start } from './start.js'
import type { Question } from './support/question.js'
import { sync } from './sync.js'
import { syscalls } from './syscalls.js'
import { threads } from './threads.js'
import { visible } from './visible.js'
import { warm } from './warm.js'

/** Every benchmark, in the order of the document: the replica, then the primary. */
export const QUESTIONS: readonly Question[] = [
  start,
  open,
  cold,
  ahead,
  warm,
  syscalls,
  busy,
  threads,
  connections,
  memory,
  hydrate,
  visible,
  idle,
  application,
  sync,
  compaction,
  restore,
]
