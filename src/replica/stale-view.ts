import { LitestreamError } from '../errors.js'
import { formatTxid } from '../ltx/txid.js'
import { selectPlan } from '../restore/plan.js'
import type { Chain, ChainState } from './chain.js'
import { readableFiles } from './readable-files.js'

/**
 * The state at a TXID that is no longer the newest, from the files that are there now; without the file `damaged`, if another way
 * leads there. Throws PAGE_UNAVAILABLE where no set of files ends at that TXID any more.
 */
export async function staleView(chain: Chain, txid: number, damaged?: string): Promise<ChainState> {
  const files = readableFiles(await chain.listAll(), damaged)
  const plan = selectPlan(files, { txid })
  if (plan.length > 0) return chain.loadPlan(plan)
  throw new LitestreamError('PAGE_UNAVAILABLE', `no set of files leads to TXID ${formatTxid(txid)} any more`, {
    hint: 'End the transaction: the next one sees a newer TXID.',
  })
}
