import { realpath } from 'node:fs/promises'
import path from 'node:path'
import type { Command } from 'commander'
import { LitestreamError } from '../../errors.js'
import { writeDurably } from '../../fs/durable.js'
import { fsError, isErrno } from '../../fs/fs-error.js'
import { readDatabasePages, readDatabaseShape } from '../../ltx/database-file.js'
import { LtxEncoder } from '../../ltx/encoder.js'
import { CHECKSUM_FLAG } from '../../ltx/format.js'
import { native } from '../../native/addon.js'
import { createCommand } from '../command.js'
import { withQuietDatabase } from '../database-file.js'
import { print, printJson } from '../output.js'

interface EncodeFlags {
  readonly o: string
  readonly json?: boolean
}

export function ltxEncodeDbCommand(): Command {
  return createCommand('encode-db', {
    summary: 'Write a database file as one LTX file.',
    description:
      'Writes all pages of a database as an LTX snapshot of TXID 1, with checksums. Replaces an existing output file atomically. The database must be closed and must have no changes in its WAL.',
    examples: [
      ['ltx encode-db -o app.ltx app.db', 'write a snapshot of app.db'],
      ['ltx encode-db -json -o app.ltx app.db', '{"db_path", "output", "page_size", "pages", "size"}'],
    ],
  })
    .argument('<db>', 'database file')
    .requiredOption('-o <file>', 'output path')
    .option('--json', 'print JSON')
    .action(async (file: string, flags: EncodeFlags) => {
      const output = flags.o
      await withQuietDatabase(file, async (handle) => {
        if ((await realOf(output)) === (await realOf(file))) {
          throw new LitestreamError('INVALID_ARGUMENT', `input and output are the same file: ${output}`, {
            file: output,
            hint: 'Name another output with -o.',
          })
        }
        const shape = await readDatabaseShape(handle, file)
        const encoder = new LtxEncoder({ ...shape, flags: 0, minTxid: 1, maxTxid: 1 })
        const body = async function* () {
          yield encoder.start()
          let sum = 0n
          for await (const { pgnos, pages } of readDatabasePages(handle, file, shape)) {
            sum ^= native.sumPages(shape.pageSize, pgnos, pages)
            yield encoder.pages(pgnos, pages)
          }
          yield encoder.finish(sum | CHECKSUM_FLAG)
        }
        const size = await write(output, body())
        if (flags.json) printJson({ db_path: file, output, page_size: shape.pageSize, pages: shape.commit, size })
        else print(`wrote ${output}: ${shape.commit} pages, ${size} bytes`)
      })
    })
}

async function write(output: string, body: AsyncIterable<Uint8Array>): Promise<number> {
  try {
    return await writeDurably(output, body, {})
  } catch (error) {
    throw fsError(error, 'writing', output)
  }
}

async function realOf(file: string): Promise<string> {
  try {
    return await realpath(file)
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return path.resolve(file)
    throw fsError(error, 'checking', file)
  }
}
