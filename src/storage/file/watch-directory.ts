import { type FSWatcher, watch } from 'node:fs'
import path from 'node:path'
import { fsError, isErrno } from '../../fs/fs-error.js'

/**
 * Calls `onChange` after a name that `wanted` accepts appeared in `directory` (or went from it). The directory need not exist yet:
 * until it does, its nearest ancestor that exists is watched. Several appearances in one turn of the event loop are one call.
 * Returns the function that ends it. The watcher does not keep the process alive.
 */
export function watchDirectory(directory: string, wanted: (name: string) => boolean, onChange: () => void): () => void {
  let watcher: FSWatcher | undefined
  let watched = ''
  let ended = false
  let pending: NodeJS.Immediate | undefined

  const notify = () => {
    pending ??= setImmediate(() => {
      pending = undefined
      if (!ended) onChange()
    })
  }

  const rewatch = () => {
    watcher?.close()
    for (watched = directory; ; watched = path.dirname(watched)) {
      try {
        watcher = watch(watched, { persistent: false }, onEvent)
        watcher.on('error', rewatch)
        return
      } catch (error) {
        if (!isErrno(error, 'ENOENT') || path.dirname(watched) === watched) throw fsError(error, 'watching', watched)
      }
    }
  }

  const onEvent = (event: string, name: string | null) => {
    if (ended || event !== 'rename') return
    // A name that is the directory's own says that the directory itself was removed or moved away.
    if (watched !== directory || name === path.basename(directory)) {
      rewatch()
      notify()
    } else if (name === null || wanted(name)) {
      notify()
    }
  }

  rewatch()
  return () => {
    ended = true
    if (pending !== undefined) clearImmediate(pending)
    watcher?.close()
  }
}
