import type { FileEntryWithStats, Stats } from 'ssh2'
import type { SftpConnection } from './connection.js'
import { isStatus, STATUS } from './errors.js'

/**
 * Bytes of one read or write: with its head it fits into the packet of 34,000 bytes that every
 * server must take (section 3 of draft-ietf-secsh-filexfer-02).
 */
export const BLOCK = 31 * 1024

/** The attributes of a file that an SFTP server reports. */
export interface RemoteStats {
  readonly size: number
  /** Seconds since the epoch. */
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

/** Bounds the wait for one request; `what` names it for a message. */
type Bounded = <T>(work: Promise<T>, what: string) => Promise<T>

/**
 * The requests of SFTP as promises, over one connection. Each rejects with what the library throws
 * (a status of SFTP as `code`), or with a LitestreamError if the request was given up.
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

  /** Creates a file; fails if the name exists. */
  create(path: string): Promise<Handle> {
    return this.#closable(
      this.connection.call<Buffer>((sftp, done) => sftp.open(path, 'wx', done)),
      'open',
    )
  }

  /** Opens an existing file without changing it. */
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

  /** Closes without waiting: nothing depends on the answer, and a lost connection has closed it. */
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

  /** Follows symbolic links. */
  async stat(path: string): Promise<RemoteStats> {
    return statsOf(
      await this.#bounded(
        this.connection.call<Stats>((sftp, done) => sftp.stat(path, done)),
        'stat',
      ),
    )
  }

  /** Undefined if the name does not exist. */
  async statIfThere(path: string): Promise<RemoteStats | undefined> {
    try {
      return await this.stat(path)
    } catch (error) {
      if (isStatus(error, STATUS.noSuchFile)) return undefined
      throw error
    }
  }

  /** Returns the number of bytes read; 0 at the end of the file. */
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

  /** Seconds since the epoch. */
  setTime(handle: Handle, seconds: number): Promise<void> {
    return this.#bounded(
      this.connection.call((sftp, done) => sftp.futimes(handle, seconds, seconds, done)),
      'fsetstat',
    )
  }

  /** fsync@openssh.com */
  fsync(handle: Handle): Promise<void> {
    return this.#bounded(
      this.connection.call((sftp, done) => sftp.ext_openssh_fsync(handle, done)),
      'fsync',
    )
  }

  /** hardlink@openssh.com */
  hardLink(from: string, to: string): Promise<void> {
    return this.#bounded(
      this.connection.call((sftp, done) => sftp.ext_openssh_hardlink(from, to, done)),
      'hardlink',
    )
  }

  /** posix-rename@openssh.com: replaces an existing file of that name. */
  posixRename(from: string, to: string): Promise<void> {
    return this.#bounded(
      this.connection.call((sftp, done) => sftp.ext_openssh_rename(from, to, done)),
      'rename',
    )
  }

  /** The protocol requires an error if the name exists, but not every server reports one. */
  rename(from: string, to: string): Promise<void> {
    return this.#bounded(
      this.connection.call((sftp, done) => sftp.rename(from, to, done)),
      'rename',
    )
  }

  /** A missing file counts as removed. */
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
   * Free bytes for users on the file system of an open file; undefined if the server does not
   * report it (fstatvfs@openssh.com).
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

  /** The next entries of a directory, in no order; undefined at the end. */
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

  /** A handle that comes after the caller has given up is closed. */
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
 * A server may leave out attributes. The type then stands at the beginning of the line that it
 * writes for users, as of `ls -l`.
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
