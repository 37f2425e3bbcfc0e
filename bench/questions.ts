import { ahead } from './ahead.js'
import { application } from './application.js'
import { busy } from './busy.js'
import { cold } from './cold.js'
import { commits } from './commits.js'
import { compaction } from './compaction.js'
import { connections } from './connections.js'
import { databases } from './databases.js'
import { encryption } from './encryption.js'
import { follow } from './follow.js'
import { hedge } from './hedge.js'
import { hydrate } from './hydrate.js'
import { idle } from './idle.js'
import { large } from './large.js'
import { memory } from './memory.js'
import { natsPieces } from './nats-pieces.js'
import { open } from './open.js'
import { primary } from './primary.js'
import { restore } from './restore.js'
import { size } from './size.js'
import { soak } from './soak.js'
import { start } from './start.js'
import { SIZES } from './support/dataset.js'
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
  hedge,
  size,
  warm,
  syscalls,
  busy,
  threads,
  connections,
  memory,
  large,
  hydrate,
  follow,
  visible,
  idle,
  soak,
  commits,
  primary,
  databases,
  application,
  sync,
  compaction,
  restore,
  encryption,
  natsPieces,
]

/** The questions that are also measured with a large database, or (`only`) only with one. */
export const LARGE: readonly { readonly question: Question; readonly posts: number; readonly only?: true }[] = [
  { question: cold, posts: SIZES['1.5 GB'] },
  { question: warm, posts: SIZES['1.5 GB'] },
  { question: size, posts: SIZES['160 MB'], only: true },
]
