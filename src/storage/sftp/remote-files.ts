import type { FileEntryWithStats, Stats } from 'ssh2'
import type { SftpConnection } from './connection.js'
import { isStatus, STATUS } from './errors.js'

/**
 * Number of bytes of one read or write request. A request with BLOCK bytes and its header fits into
 * a packet of 34,000 bytes. Every server must accept a packet of 34,000 bytes (section 3 of
 * draft-ietf-secsh-filexfer-02).
 */
export const BLOCK = 31 * 1024

/** The attributes of a file in a response of an SFTP server. */
export interface RemoteStats {
  readonly size: number
  /** Time of the last modification, in seconds since the epoch. */
  readonly mtime: number
  readonly mode: number
  readonly isFile: boolean
  readonly isDirectory: boolean
}

export interface RemoteEntry extends RemoteStats {
  readonly name: string
}

/** An open file or directory on the server. */
export type Handle = Buffer

/** Limits how long a caller waits for `work`, one request. `what` names the request in messages. */
type Bounded = <T>(work: Promise<T>, what: string) => Promise<T>

/**
 * The requests of SFTP on one connection, as promises. A promise of a failed request rejects with
 * the error of ssh2 or with a LitestreamError. The field `code` of an error of ssh2 is an SFTP
 * status. A promise rejects with a LitestreamError if a limit or a signal ended the wait for the
 * request.
 */
export class RemoteFiles {
  readonly connection: SftpConnection
  readonly #bounded: Bounded

  constructor(connection: SftpConnection, bounded: Bounded) {
    this.connection = connection
    this.#bounded = bounded
  }

  openToRead(path: string): Promise<Handle> {
    return this.#closable(
      this.connection.call<Buffer>((sftp, done) => sftp.open(path, 'r', done)),
      'open',
    )
  }

  /** Creates a file. create() fails if the name exists. */
  create(path: string): Promise<Handle> {
    return this.#closable(
      this.connection.call<Buffer>((sftp, done) => sftp.open(path, 'wx', done)),
      'open',
    )
  }

  /** Opens an existing file for writing without truncating it. */
  openToWrite(path: string): Promise<Handle> {
    return this.#closable(
      this.connection.call<Buffer>((sftp, done) => sftp.open(path, 'r+', done)),
      'open',
    )
  }

  close(handle: Handle): Promise<void> {
    return this.#bounded(
      this.connection.call((sftp, done) => sftp.close(handle, done)),
      'close',
    )
  }

  /**
   * Requests that the server closes a handle, without waiting for the response. The response does
   * not matter, and the server has already closed the handles of a lost connection.
   */
  closeLater(handle: Handle): void {
    void this.connection.call((sftp, done) => sftp.close(handle, done)).catch(() => undefined)
  }

  async fstat(handle: Handle): Promise<RemoteStats> {
    return statsOf(
      await this.#bounded(
        this.connection.call<Stats>((sftp, done) => sftp.fstat(handle, done)),
        'fstat',
      ),
    )
  }

  /** Returns the attributes of a path. stat() follows symbolic links. */
  async stat(path: string): Promise<RemoteStats> {
    return statsOf(
      await this.#bounded(
        this.connection.call<Stats>((sftp, done) => sftp.stat(path, done)),
        'stat',
      ),
    )
  }

  /** Returns the attributes of a path, or undefined if the path does not exist. */
  async statIfThere(path: string): Promise<RemoteStats | undefined> {
    try {
      return await this.stat(path)
    } catch (error) {
      if (isStatus(error, STATUS.noSuchFile)) return undefined
      throw error
    }
  }

  /**
   * Reads from an open file into a buffer, and returns the number of bytes read. The number of
   * bytes is 0 at the end of the file.
   */
  async read(handle: Handle, into: Buffer, position: number): Promise<number> {
    const reading = this.connection.call<number>((sftp, done) =>
      sftp.read(handle, into, 0, into.length, position, (error, count) => done(error, count)),
    )
    try {
      return Math.min(into.length, await this.#bounded(reading, 'read'))
    } catch (error) {
      if (isStatus(error, STATUS.eof)) return 0
      throw error
    }
  }

  write(handle: Handle, data: Buffer, position: number): Promise<void> {
    return this.#bounded(
      this.connection.call((sftp, done) => sftp.write(handle, data, 0, data.length, position, done)),
      'write',
    )
  }

  /** Sets the mtime of an open file. The mtime is in seconds since the epoch. */
  setTime(handle: Handle, seconds: number): Promise<void> {
    return this.#bounded(
      this.connection.call((sftp, done) => sftp.futimes(handle, seconds, seconds, done)),
      'fsetstat',
    )
  }

  /** Makes an open file durable (fsync@openssh.com). */
  fsync(handle: Handle): Promise<void> {
    return this.#bounded(
      this.connection.call((sftp, done) => sftp.ext_openssh_fsync(handle, done)),
      'fsync',
    )
  }

  /** Creates a hard link (hardlink@openssh.com). */
  hardLink(from: string, to: string): Promise<void> {
    return this.#bounded(
      this.connection.call((sftp, done) => sftp.ext_openssh_hardlink(from, to, done)),
      'hardlink',
    )
  }

  /** Renames a file and replaces an existing file of that name (posix-rename@openssh.com). */
  posixRename(from: string, to: string): Promise<void> {
    return this.#bounded(
      this.connection.call((sftp, done) => sftp.ext_openssh_rename(from, to, done)),
      'rename',
    )
  }

  /**
   * Renames a file. The protocol requires an error if the new name exists, but some servers report
   * no error.
   */
  rename(from: string, to: string): Promise<void> {
    return this.#bounded(
      this.connection.call((sftp, done) => sftp.rename(from, to, done)),
      'rename',
    )
  }

  /** Removes a file. A missing file counts as removed. */
  async remove(path: string): Promise<void> {
    try {
      await this.#bounded(
        this.connection.call((sftp, done) => sftp.unlink(path, done)),
        'remove',
      )
    } catch (error) {
      if (!isStatus(error, STATUS.noSuchFile)) throw error
    }
  }

  makeDirectory(path: string): Promise<void> {
    return this.#bounded(
      this.connection.call((sftp, done) => sftp.mkdir(path, done)),
      'mkdir',
    )
  }

  /**
   * Returns the number of bytes that are free for ordinary users on the file system of an open
   * file. Returns undefined if the server does not support fstatvfs@openssh.com.
   */
  async freeBytes(handle: Handle): Promise<number | undefined> {
    try {
      const found = await this.#bounded(
        this.connection.call<Record<string, unknown>>((sftp, done) => sftp.ext_openssh_fstatvfs(handle, done)),
        'fstatvfs',
      )
      const free = Number(found.f_bavail) * Number(found.f_frsize)
      return Number.isFinite(free) ? free : undefined
    } catch {
      return undefined // it is asked only to say more of another failure
    }
  }

  openDirectory(path: string): Promise<Handle> {
    return this.#closable(
      this.connection.call<Buffer>((sftp, done) => sftp.opendir(path, done)),
      'opendir',
    )
  }

  /**
   * Returns the next entries of an open directory in no particular order, or undefined at the end.
   */
  async readDirectory(handle: Handle): Promise<RemoteEntry[] | undefined> {
    try {
      const entries = await this.#bounded(
        this.connection.call<FileEntryWithStats[]>((sftp, done) => sftp.readdir(handle, done)),
        'readdir',
      )
      return entries.map(entryOf)
    } catch (error) {
      if (isStatus(error, STATUS.eof)) return undefined
      throw error
    }
  }

  /** If the caller stops waiting for `opening`, closes the handle when the handle arrives. */
  async #closable(opening: Promise<Buffer>, what: string): Promise<Handle> {
    try {
      return await this.#bounded(opening, what)
    } catch (error) {
      void opening.then((late) => this.closeLater(late)).catch(() => undefined)
      throw error
    }
  }
}

/**
 * Converts an entry of a directory listing. A server may omit attributes of an entry. If the type
 * is missing, entryOf() takes it from `longname`, the entry's text for users. `longname` has the
 * format of `ls -l`.
 */
function entryOf({ filename: name, longname, attrs }: FileEntryWithStats): RemoteEntry {
  const stats = attrs as Stats
  if (stats.mode !== undefined) return { name, ...statsOf(stats) }
  const { size, mtime } = stats
  const isDirectory = longname.startsWith('d')
  return { name, size, mtime, mode: 0o600, isDirectory, isFile: !isDirectory && !longname.startsWith('l') }
}

function statsOf(stats: Stats): RemoteStats {
  const { size, mtime, mode } = stats
  return { size, mtime, mode: mode & 0o777, isFile: stats.isFile(), isDirectory: stats.isDirectory() }
}
