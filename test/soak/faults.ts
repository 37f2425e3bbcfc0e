// The faults that a fault soak applies to the daemon's environment. Each fault lasts for a while
// and is then undone.
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { ordinaryUser } from '../cli/run.js'
import type { Fault as ProxyFault } from '../support/faults.js'
import type { Random } from '../support/random.js'
import type { SoakDatabase, SoakWorld } from './world.js'

/** A fault that was drawn. Two faults of one subject never happen at the same time. */
export interface DrawnFault {
  readonly subject: string
  /** For the log: `s3: blackhole, 3200 ms`. */
  readonly label: string
  /** Does it, waits for its time, and takes it back. */
  run(): Promise<void>
}

/** Draws faults, at most one for each subject; `longest`: milliseconds of one fault. */
export function drawFaults(world: SoakWorld, random: Random, count: number, longest: number): DrawnFault[] {
  const subjects: ((ms: number) => DrawnFault)[] = [
    (ms) => daemonFault(world, random, ms),
    (ms) => clockStep(world, random, ms),
    (ms) => s3Fault(world, random, ms),
    (ms) => natsFault(world, random, ms),
    ...world.databases.map((database) => (ms: number) => databaseFault(world, database, random, ms)),
  ]
  const drawn: DrawnFault[] = []
  while (drawn.length < count && subjects.length > 0) {
    const [make] = subjects.splice(random.integer(0, subjects.length - 1), 1)
    drawn.push(make!(random.integer(Math.min(200, longest), longest)))
  }
  return drawn
}

const MINUTE = 60_000
const HOUR = 60 * MINUTE

function clockStep(world: SoakWorld, random: Random, ms: number): DrawnFault {
  const step = random.pick([-48 * HOUR, -HOUR, -MINUTE, MINUTE, HOUR, 25 * HOUR, 400 * 24 * HOUR])
  return fault('clock', `${step / 1000} s`, ms, {
    begin: () => world.setClock(step),
    end: () => world.setClock(0),
  })
}

function daemonFault(world: SoakWorld, random: Random, ms: number): DrawnFault {
  const pid = world.daemonPid
  if (random.chance(0.3)) {
    return fault('daemon', 'SIGSTOP', ms, {
      begin: () => void process.kill(pid, 'SIGSTOP'),
      end: () => void process.kill(pid, 'SIGCONT'),
    })
  }
  const limit = (count: string) => execFileSync('prlimit', ['--pid', String(pid), `--nofile=${count}:`], ordinaryUser)
  const before = /^Max open files\s+(\d+)/m.exec(
    execFileSync('cat', [`/proc/${pid}/limits`], { encoding: 'utf8' }),
  )![1]!
  return fault('daemon', 'no descriptor is left', ms, {
    begin: () => void limit(String(readdirSync(`/proc/${pid}/fd`).length)),
    end: () => void limit(before),
  })
}

function s3Fault(world: SoakWorld, random: Random, ms: number): DrawnFault {
  const { s3 } = world
  if (random.chance(0.2)) return fault('s3', 'down', ms, { begin: () => s3.down(), end: () => s3.up() })
  const what = random.pick<ProxyFault>([
    { type: 'blackhole' },
    { type: 'refuse' },
    { type: 'status', status: 403, code: 'AccessDenied' },
    { type: 'status', status: 404, code: 'NoSuchBucket' },
    { type: 'status', status: 500, code: 'InternalError' },
    { type: 'status', status: 503, code: 'SlowDown' },
    { type: 'cut', bytes: 50 },
    { type: 'cutUpload', bytes: 100 },
    { type: 'loseReply' },
    { type: 'lag', keys: 2 },
    { type: 'slowStart', ms: 1000 },
  ])
  let remove = () => {}
  const label = what.type === 'status' ? `${what.status} ${what.code}` : what.type
  return fault('s3', label, ms, {
    begin: () => {
      remove = s3.fault(what, { times: Number.POSITIVE_INFINITY }).remove
    },
    end: () => remove(),
  })
}

function natsFault(world: SoakWorld, random: Random, ms: number): DrawnFault {
  const { nats } = world
  const isSilent = random.chance(0.5)
  return fault('nats', isSilent ? 'silent' : 'refuses', ms, {
    begin: () => (isSilent ? nats.silence() : nats.refuse()),
    end: () => nats.resume(),
  })
}

function databaseFault(world: SoakWorld, database: SoakDatabase, random: Random, ms: number): DrawnFault {
  const { name, folder, file, stateFolder, replicaFolder } = database
  const replicaFaults =
    replicaFolder === undefined
      ? []
      : [replaceFolder(replicaFolder, random), revoke(replicaFolder, random), remove(replicaFolder)]
  const [label, steps] = random.pick<readonly [string, Steps]>([
    ['the state folder is removed', remove(stateFolder)],
    ['the state folder is replaced', replaceFolder(stateFolder, random)],
    ['the state folder is shut', revoke(stateFolder, random)],
    ['the folder is shut', revoke(folder, random)],
    ['the database file is shut', revoke(file, random)],
    ['the folder is replaced', paused(world, database, replaceFolder(folder, random))],
    ['-shm is removed', paused(world, database, remove(`${file}-shm`))],
    ['the replica is emptied', { begin: () => world.empty(database), end: () => {} }],
    ...replicaFaults.map(
      (steps, i) =>
        [`the replica's folder is ${['replaced', 'shut', 'removed'][i]}`, steps] as readonly [string, Steps],
    ),
  ])
  return fault(name, label, ms, steps)
}

interface Steps {
  begin(): void | Promise<void>
  end(): void | Promise<void>
}

function fault(subject: string, label: string, ms: number, { begin, end }: Steps): DrawnFault {
  return {
    subject,
    label: `${subject}: ${label}, ${ms} ms`,
    async run() {
      try {
        await begin()
        await delay(ms)
      } finally {
        await end()
      }
    },
  }
}

function remove(name: string): Steps {
  return { begin: () => removeAtOnce(name), end: () => {} }
}

let removed = 0

/**
 * Removes a file or a folder with all that it holds, in one moment, and puts `by` in its place: the
 * daemon continues to write to it.
 */
function removeAtOnce(name: string, by?: string): void {
  const gone = path.join(path.dirname(path.dirname(name)), `removed-${++removed}`)
  if (existsSync(name)) renameSync(name, gone)
  if (by !== undefined) renameSync(by, name)
  for (let tries = 0; existsSync(gone); tries++) {
    try {
      rmSync(gone, { recursive: true, force: true })
    } catch (error) {
      // A file that was being made under the old name.
      if (tries === 100) throw error
    }
  }
}

/** Removes the access rights and restores them; ignores a file that does not exist. */
function revoke(name: string, random: Random): Steps {
  const rights = random.pick([0o000, 0o000, 0o400, 0o500])
  let mode: number | undefined
  return {
    begin: () => {
      mode = statSync(name, { throwIfNoEntry: false })?.mode
      if (mode !== undefined) chmodSync(name, rights)
    },
    end: () => {
      if (mode !== undefined && existsSync(name)) chmodSync(name, mode & 0o7777)
    },
  }
}

/** Another folder, a file or nothing takes the folder's name for a while. */
function replaceFolder(name: string, random: Random): Steps {
  const by = random.pick(['nothing', 'folder', 'file'])
  const away = `${name}.away`
  let isAway = false
  return {
    begin: () => {
      if (!existsSync(name)) return
      renameSync(name, away)
      isAway = true
      if (by === 'folder') mkdirSync(name)
      if (by === 'file') writeFileSync(name, '')
      const { uid, gid } = ordinaryUser
      if (by !== 'nothing' && uid !== undefined) chownSync(name, uid, gid!)
    },
    end: () => {
      if (!isAway) return
      // The daemon may have made the folder again, and may be writing to it.
      removeAtOnce(name, away)
    },
  }
}

/**
 * The application is stopped for the moments in which its files change: with them open, it would
 * damage its database itself.
 */
function paused(world: SoakWorld, database: SoakDatabase, { begin, end }: Steps): Steps {
  const during = async (step: () => void | Promise<void>) => {
    await world.tell('pause', database)
    await step()
  }
  return {
    begin: () => during(begin),
    end: () => during(end).then(() => world.tell('resume', database)),
  }
}
