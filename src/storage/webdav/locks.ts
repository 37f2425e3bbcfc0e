import { LitestreamError } from '../../errors.js'
import { jitteredDelay } from '../../util/back-off.js'
import { elapsedMs } from '../../util/elapsed.js'
import { pause } from '../../util/pause.js'
import { makeFolders } from './folder.js'
import type { Subject, WebdavRequests } from './requests.js'

/**
 * Name of the folder that the client locks while it changes a name. The lock folder is beside the
 * levels. The client locks a folder instead of a file for two reasons: MKCOL creates a folder
 * atomically, and no request replaces a folder. Apache identifies the lock of a file by the file's
 * inode. A PUT that began before the lock replaces the inode.
 */
const MUTEX = 'writer.lock'

/** Seconds after which the server drops the lock of a client that has died. */
const LOCK_SECONDS = 20

/**
 * Milliseconds after the request for a lock during which the client may begin a change under the
 * lock.
 */
const TRUSTED_FOR = 10_000

/** Maximum time in milliseconds that a client waits for the lock of another client. */
const LOCK_PATIENCE = 60_000

/**
 * Longest pause in milliseconds between two attempts to lock. A writer usually holds the lock for
 * three requests.
 */
const LOCK_PAUSE = 250

const LOCK_BODY = Buffer.from(
  '<?xml version="1.0" encoding="utf-8"?><lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope>' +
    '<locktype><write/></locktype><owner>litestream-ts</owner></lockinfo>',
)

/** A lock that this client holds. */
export interface HeldLock {
  /**
   * Throws UNAVAILABLE if the lock may expire before a change is complete. The client must call
   * `check` before each change under the lock.
   */
  check(): void
  release(): Promise<void>
}

/**
 * The exclusive write lock of WebDAV (class 2) on one folder of the replica. Only one of several
 * writers can hold this lock, so only one writer at a time changes a name. The client creates the
 * folder before it locks the folder. If the locked folder does not exist, Apache forgets the lock,
 * or keeps the lock while other clients list the parent folder. The client requests the first lock
 * twice. Some servers grant locks without enforcing them, because some clients require locks. A
 * server that does not enforce locks also grants the second request. The locks of such a server do
 * not work.
 */
export class WebdavLocks {
  readonly #requests: WebdavRequests
  readonly #path: string
  #state: 'unknown' | 'announced' | 'proved' | 'none' = 'unknown'
  #reason: string | undefined

  /**
   * `root` is the percent-decoded path of the replica. The folder at `root` must exist before the
   * client requests the first lock.
   */
  constructor(requests: WebdavRequests, root: string) {
    this.#requests = requests
    this.#path = `${root}/${MUTEX}/`
  }

  /**
   * Reads from the header DAV of a response to OPTIONS whether the server supports locks. The value
   * `1, 2` of the header means that the server supports locks.
   */
  announce(davHeader: string): void {
    if (this.#state !== 'unknown') return
    const hasLocks = davHeader.split(',').some((each) => each.trim() === '2')
    this.#state = hasLocks ? 'announced' : 'none'
    if (!hasLocks) this.#reason = 'the WebDAV server has no locks (class 2)'
  }

  /**
   * The reason why locks do not work on the server. The reason is undefined if the locks work, or
   * if the client has not yet tested them.
   */
  get reason(): string | undefined {
    return this.#reason
  }

  get isProved(): boolean {
    return this.#state === 'proved'
  }

  /**
   * Locks the folder, and if necessary waits until another client releases its lock. Returns
   * undefined if the server does not support locks.
   */
  async lock(change: Subject): Promise<HeldLock | undefined> {
    if (this.#state === 'none') return undefined
    const subject = { ...change, path: this.#path }
    if (this.#state !== 'proved') await makeFolders(this.#requests, change, this.#path.slice(0, -1))
    const began = elapsedMs()
    for (let attempt = 0; ; attempt++) {
      const held = await this.#tryLock(subject)
      if (held === 'none') return undefined
      if (held !== 'locked') return this.#state === 'proved' ? held : this.#prove(subject, held)
      if (elapsedMs() - began > LOCK_PATIENCE) throw stillLocked(subject, this.#requests.target(subject.path))
      await pause(jitteredDelay(attempt + 1, 20, LOCK_PAUSE), subject.signal, this.#requests.closing)
    }
  }

  async #prove(subject: Subject, held: HeldLock): Promise<HeldLock | undefined> {
    const second = await this.#tryLock(subject)
    if (second === 'locked') {
      this.#state = 'proved'
      return held
    }
    this.#none('the WebDAV server grants the same exclusive lock twice')
    if (second !== 'none') await second.release()
    await held.release()
    return undefined
  }

  #none(reason: string): void {
    this.#state = 'none'
    this.#reason = reason
  }

  async #tryLock(subject: Subject): Promise<HeldLock | 'locked' | 'none'> {
    const asked = elapsedMs()
    const { status, headers } = await this.#requests.send(subject, {
      method: 'LOCK',
      headers: {
        'content-type': 'application/xml; charset=utf-8',
        depth: '0',
        timeout: `Second-${LOCK_SECONDS}`,
      },
      body: { size: LOCK_BODY.length, open: () => [LOCK_BODY] },
      accept: [200, 201, 423, 405, 501],
    })
    if (status === 423) return 'locked'
    const token = /<([^<>\s]{1,500})>/.exec(String(headers['lock-token'] ?? ''))?.[1]
    if (status >= 400 || token === undefined) {
      this.#none('the WebDAV server refuses LOCK')
      return 'none'
    }
    return {
      check: () => {
        if (elapsedMs() - asked > TRUSTED_FOR) throw this.#tooLate(subject)
      },
      release: () => this.#unlock(subject, token),
    }
  }

  #tooLate({ doing, path }: Subject): LitestreamError {
    const target = this.#requests.target(path)
    return new LitestreamError('UNAVAILABLE', `${doing} ${target} failed: the lock is about to expire`, {
      file: target,
      hint: 'Check the network between this machine and the WebDAV server, then repeat the operation.',
    })
  }

  /** Releases a lock. A lock that no longer exists counts as released. */
  async #unlock({ operation, path }: Subject, token: string): Promise<void> {
    if (this.#requests.closing.aborted) return
    const subject = { operation, doing: 'unlocking', path }
    const headers = { 'lock-token': `<${token}>` }
    const accept = [200, 204, 400, 403, 404, 409, 412, 423]
    await this.#requests
      .retried(subject, () => this.#requests.send(subject, { method: 'UNLOCK', headers, accept }))
      // If UNLOCK fails, the lock expires after LOCK_SECONDS.
      .catch(() => undefined)
  }
}

function stillLocked({ doing }: Subject, target: string): LitestreamError {
  return new LitestreamError('UNAVAILABLE', `${doing} ${target} failed: another client holds a lock`, {
    file: target,
    hint: 'Stop the WebDAV client that holds the lock, or remove the lock on the WebDAV server.',
  })
}
