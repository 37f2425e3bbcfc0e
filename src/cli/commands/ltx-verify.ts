import type { Command } from 'commander'
import { isLitestreamError } from '../../errors.js'
import { formatTxid } from '../../ltx/txid.js'
import { verifyLtx } from '../../ltx/verify.js'
import { withoutSecrets } from '../../util/redact.js'
import { createCommand } from '../command.js'
import { ExitStatus } from '../exit-status.js'
import { readFileBytes } from '../open-ltx-file.js'
import { green, print, printJson, red } from '../output.js'

interface Verdict {
  readonly file: string
  readonly ok: boolean
  readonly pages?: number
  readonly min_txid?: string
  readonly max_txid?: string
  readonly error?: string
  readonly offset?: number
  readonly pgno?: number
}

export function ltxVerifyCommand(): Command {
  return createCommand('verify', {
    summary: 'Check every byte of LTX files.',
    description:
      'Checks structure, every page, the page index and the checksums of local LTX files. The exit status is 1 if a file is damaged or cannot be read.',
    examples: [
      ['ltx verify *.ltx', 'print one line per file'],
      ['ltx verify -json a.ltx', '[{"file", "ok", "pages", "error", "offset", "pgno"}]'],
    ],
  })
    .argument('<file...>', 'local LTX files')
    .option('--json', 'print JSON')
    .action(async (files: string[], flags: { readonly json?: boolean }) => {
      const verdicts: Verdict[] = []
      for (const file of files) {
        const verdict = await verify(file)
        verdicts.push(verdict)
        if (flags.json) continue
        if (verdict.ok) print(`${green('ok')}       ${file}  ${verdict.pages} pages`)
        else print(`${red('damaged')}  ${file}  ${verdict.error}`)
      }
      if (flags.json) printJson(verdicts)
      if (verdicts.some(({ ok }) => !ok)) throw new ExitStatus(1)
    })
}

async function verify(path: string): Promise<Verdict> {
  const file = withoutSecrets(path) // a URL passed by mistake
  try {
    const { header, pageCount } = await verifyLtx(readFileBytes(path), path)
    const { minTxid, maxTxid } = header
    return { file, ok: true, pages: pageCount, min_txid: formatTxid(minTxid), max_txid: formatTxid(maxTxid) }
  } catch (error) {
    if (!isLitestreamError(error)) throw error
    return { file, ok: false, error: error.message, offset: error.offset, pgno: error.pgno }
  }
}
