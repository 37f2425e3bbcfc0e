import { native } from '../../../native/addon.js'
import { pageKey } from './page-store.js'
import type { ReplicaView } from './view-set.js'

/**
 * Returns the slot that holds a view's version of a page. Returns undefined if the page is not
 * resident.
 */
export function slotOf({ state, store }: ReplicaView, pgno: number): number | undefined {
  return store.slotOf(pageKey(state.map.fileOf(pgno), pgno))
}

export function isResident({ state, store }: ReplicaView, pgno: number): boolean {
  return store.has(pageKey(state.map.fileOf(pgno), pgno))
}

/** If the page is resident, the next read of that page notifies the worker. */
export function setTrigger(view: ReplicaView, pgno: number): void {
  const slot = slotOf(view, pgno)
  if (slot !== undefined) native.setTrigger(view.store.cache, slot)
}
