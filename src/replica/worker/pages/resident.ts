import { native } from '../../../native/addon.js'
import { pageKey } from './page-store.js'
import type { ReplicaView } from './view-set.js'

/** The slot with a view's version of a page; undefined if it is not resident. */
export function slotOf({ state, store }: ReplicaView, pgno: number): number | undefined {
  return store.slotOf(pageKey(state.map.fileOf(pgno), pgno))
}

export function isResident({ state, store }: ReplicaView, pgno: number): boolean {
  return store.has(pageKey(state.map.fileOf(pgno), pgno))
}

/** Makes the next read of a page, if it is resident, notify the worker. */
export function setTrigger(view: ReplicaView, pgno: number): void {
  const slot = slotOf(view, pgno)
  if (slot !== undefined) native.setTrigger(view.store.cache, slot)
}
