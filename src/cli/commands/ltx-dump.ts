import type { Command } from 'commander'
import { LitestreamError } from '../../errors.js'
import { decodeLtx } from '../../ltx/decoder.js'
import { createCommand } from '../command.js'
import { pageFlag } from '../flag-values.js'
import { inspectFile, readFileBytes } from '../open-ltx-file.js'
import { printJson, printLines, printTable } from '../output.js'

interface DumpFlags {
  readonly page?: number
  readonly json?: boolean
}

export function ltxDumpCommand(): Command {
  return createCommand('dump', {
    summary: 'List the pages of an LTX file, or print one page.',
    description:
      'Lists the pages in an LTX file with the offset and size of each frame, or prints the bytes of one page.',
    examples: [
      ['ltx dump a.ltx', 'print a table of the pages'],
      ['ltx dump -page 1 a.ltx', 'print the bytes of page 1'],
      ['ltx dump -json a.ltx', '[{"pgno", "offset", "size"}]'],
    ],
  })
    .argument('<file>', 'local LTX file')
    .option('--page <pgno>', 'print the bytes of this page', pageFlag)
    .option('--json', 'print JSON')
    .action(async (file: string, flags: DumpFlags) => {
      if (flags.page !== undefined) return dumpPage(file, flags.page, flags.json === true)
      const { index } = await inspectFile(file)
      const rows = Array.from(index.pgnos, (pgno, i) => ({ pgno, offset: index.offsets[i]!, size: index.sizes[i]! }))
      if (flags.json) printJson(rows)
      else
        printTable(
          ['pgno', 'offset', 'size'],
          rows.map((row) => [row.pgno, row.offset, row.size].map(String)),
        )
    })
}

async function dumpPage(file: string, wanted: number, json: boolean): Promise<void> {
  const { header, index } = await inspectFile(file)
  if (!index.pgnos.includes(wanted)) {
    throw new LitestreamError('NOT_FOUND', `${file} does not contain page ${wanted}`, {
      file,
      hint: `Run litestream-ts ltx dump ${file} to list the pages that the file contains.`,
    })
  }
  const { batches } = await decodeLtx(readFileBytes(file), file)
  for await (const { pgnos, pages } of batches) {
    const i = pgnos.indexOf(wanted)
    if (i < 0) continue
    const page = pages.subarray(i * header.pageSize, (i + 1) * header.pageSize)
    if (json) printJson({ pgno: wanted, size: page.length, hex: Buffer.from(page).toString('hex') })
    else printLines(hexDump(page))
    return
  }
}

/** Sixteen bytes per line: offset, hex, text. */
function hexDump(bytes: Uint8Array): string {
  const lines: string[] = []
  for (let at = 0; at < bytes.length; at += 16) {
    const row = Array.from(bytes.subarray(at, at + 16))
    const hex = row.map((byte) => byte.toString(16).padStart(2, '0')).join(' ')
    const text = row.map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : '.')).join('')
    lines.push(`${at.toString(16).padStart(8, '0')}  ${hex.padEnd(47)}  ${text}`)
  }
  return lines.join('\n')
}
