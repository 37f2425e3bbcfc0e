import PQueue from 'p-queue'
import type { DatabaseConfig } from '../../config/types.js'
import { listLevels } from '../../levels/plan.js'
import type { LtxFileInfo } from '../../storage/replica-client.js'
import { withDeadline } from '../../util/wait.js'
import { version } from '../../version.js'
import { reportStatus, statusRemarks, statusTable } from '../database-status.js'
import { FILE_COLUMNS, fileJson, fileRow } from '../ltx-listing.js'
import { plainTable } from '../output.js'
import { type Target, targetOfDatabase, withTarget } from '../target.js'
import { databasesOf, targetOf } from './databases.js'
import { CONFIG, READS_FILES, READS_STORE, type Tool, type ToolCall } from './tool.js'

/** Time limit for listing one replica, in milliseconds. */
const LISTING_MS = 30_000

/**
 * Maximum number of LTX files in a response. The response contains the newest files of each level.
 */
const MOST_FILES = 500
/** Maximum number of databases for which `litestream_info` lists the LTX files. */
const MOST_DATABASES = 50
/** Number of replicas that one tool call lists in parallel. */
const LISTINGS = 8

interface Listing {
  readonly files: readonly LtxFileInfo[]
  /** Number of LTX files that the response omits. */
  readonly omitted: number
}

const lines = (...parts: readonly (string | undefined)[]) => `${parts.filter(Boolean).join('\n')}\n`

export const versionTool: Tool = {
  name: 'litestream_version',
  description: 'Print the version of litestream-ts.',
  parameters: {},
  required: [],
  annotations: READS_FILES,
  run: async () => ({ text: lines(version), data: { version } }),
}

export const databasesTool: Tool = {
  name: 'litestream_databases',
  description:
    'List the databases that this process replicates, or the databases of a configuration file, with their replicas.',
  parameters: { config: CONFIG },
  required: [],
  annotations: READS_FILES,
  async run(args, { daemon }) {
    const { databases, faults } = await databasesOf(args, daemon)
    const rows = databases.map(({ path, replica }) => ({ path, replica: replica.type }))
    const table = plainTable(
      ['path', 'replica'],
      rows.map(({ path, replica }) => [path, replica]),
    )
    return { text: lines(table, ...faults), data: { databases: rows, errors: faults } }
  },
}

export const ltxTool: Tool = {
  name: 'litestream_ltx',
  description: `List the LTX files of all levels of a database or replica URL; level 9 contains the snapshots. The list contains at most the newest ${MOST_FILES} files.`,
  parameters: {
    path: { type: 'string', description: 'Path of a database, or replica URL.' },
    config: {
      type: 'string',
      description: `${CONFIG.description} The tool ignores \`config\` if \`path\` is a replica URL.`,
    },
  },
  required: ['path'],
  annotations: READS_STORE,
  async run(args, { daemon, signal }) {
    const listing = await listFiles(await targetOf(args, daemon), signal)
    return { text: lines(listingText(listing)), data: listingJson(listing) }
  },
}

export const statusTool: Tool = {
  name: 'litestream_status',
  description:
    'Show the replication status of each database: local TXID, size of the WAL, TXID of the replica, lag and number of files per level.',
  parameters: {
    config: CONFIG,
    path: { type: 'string', description: 'Path of one database. By default, the tool shows all databases.' },
  },
  required: [],
  annotations: READS_STORE,
  async run(args, { daemon, signal }) {
    const { databases, faults, find } = await databasesOf(args, daemon)
    const asked = args.path === undefined ? databases : [find(args.path as string)]
    const all = await inParallel(asked, signal, (database) => reportStatus(database, false))
    const table = plainTable(...statusTable(all))
    return { text: lines(table, ...statusRemarks(all), ...faults), data: { databases: all, errors: faults } }
  },
}

export const infoTool: Tool = {
  name: 'litestream_info',
  description: 'Summarize the process: version, configuration file, databases and their LTX files.',
  parameters: { config: CONFIG },
  required: [],
  annotations: READS_STORE,
  async run(args, call) {
    const { file, databases, faults } = await databasesOf(args, call.daemon)
    const shown = databases.slice(0, MOST_DATABASES)
    const most = Math.ceil(MOST_FILES / Math.max(1, shown.length))
    const listed = await inParallel(shown, call.signal, (database) => listOrReason(database, most, call))
    const table = plainTable(
      ['path', 'replica'],
      databases.map(({ path, replica }) => [path, replica.type]),
    )
    const text = lines(
      `Version:\n${version}\n`,
      `Configuration file:\n${file ?? 'none'}\n`,
      `Databases:\n${table}\n`,
      ...faults,
      ...listed.map(({ text }, i) => `LTX files of ${shown[i]!.path}:\n${text}\n`),
      databases.length > shown.length
        ? `The LTX files of the other databases are not shown: use litestream_ltx.`
        : undefined,
    )
    const rows = databases.map(({ path, replica }, i) => ({ path, replica: replica.type, ...listed[i]?.json }))
    return { text, data: { version, config: file ?? null, databases: rows, errors: faults } }
  },
}

async function inParallel<T, R>(items: readonly T[], signal: AbortSignal, work: (item: T) => Promise<R>): Promise<R[]> {
  const queue = new PQueue({ concurrency: LISTINGS })
  const add = (item: T) =>
    queue.add(async () => {
      signal.throwIfAborted()
      return work(item)
    })
  return Promise.all(items.map(add))
}

/**
 * Returns the files of a replica, or the error of the listing. If one replica cannot be listed, the
 * response therefore still shows the other databases.
 */
async function listOrReason(
  database: DatabaseConfig,
  most: number,
  { signal }: ToolCall,
): Promise<{ text: string; json: object }> {
  try {
    const listing = await listFiles(targetOfDatabase(database.path, database), signal, most)
    return { text: listingText(listing), json: listingJson(listing) }
  } catch (error) {
    signal.throwIfAborted()
    const { message } = error as Error
    return { text: message, json: { error: message } }
  }
}

async function listFiles(target: Target, signal: AbortSignal, most = MOST_FILES): Promise<Listing> {
  const levels = await withDeadline(
    `listing ${target.name}`,
    { signal, timeout: LISTING_MS },
    (limited) => withTarget(target, (client) => listLevels(client, limited), { signal: limited! }),
    { abandon: true },
  )
  const total = levels.reduce((sum, files) => sum + files.length, 0)
  // Each level gets an equal share of the number of files that remains. Levels with few files come
  // first, so that levels with many files get the rest of their shares.
  let room = most
  const kept = levels
    .map((files, level) => ({ files, level }))
    .sort((a, b) => a.files.length - b.files.length)
    .map(({ files, level }, i) => {
      const share = files.slice(-Math.max(1, Math.floor(room / (levels.length - i))))
      room -= share.length
      return { level, share }
    })
  const files = kept.sort((a, b) => a.level - b.level).flatMap(({ share }) => share)
  return { files, omitted: total - files.length }
}

function listingText({ files, omitted }: Listing): string {
  const table = plainTable(FILE_COLUMNS, files.map(fileRow))
  return omitted === 0 ? table : `${table}\n${omitted} older files are not shown`
}

function listingJson({ files, omitted }: Listing) {
  return { files: files.map(fileJson), omitted }
}
