import type { Command } from 'commander'

/** The headings of the list of commands, in printed order. */
export const GROUPS = ['Replicate and restore', 'Inspect', 'Maintain', 'Control a running process', 'Set up'] as const
export type CommandGroup = (typeof GROUPS)[number]

/**
 * One command in the list of commands. The program loads the code of a command only when a user
 * runs that command.
 */
export interface CommandEntry {
  readonly name: string
  /** The arguments after the name of the command, for example `[options] <db>`. */
  readonly usage: string
  readonly summary: string
  /** The heading under which the list shows the command. */
  readonly group: CommandGroup
  /** Whether the list of commands omits the command. */
  readonly hidden?: boolean
  load(): Promise<Command>
}

const control = () => import('./control.js')

export const COMMANDS: readonly CommandEntry[] = [
  {
    name: 'acknowledge',
    group: 'Maintain',
    usage: '[options] <db-or-url>',
    summary: 'Accept that a diverged database replaces the state in its replica.',
    load: async () => (await import('./acknowledge.js')).acknowledgeCommand(),
  },
  {
    name: 'buffer',
    group: 'Maintain',
    usage: '',
    summary: 'Show, export or discard the write buffer of a replica.',
    load: async () => (await import('./buffer.js')).bufferCommand(),
  },
  {
    name: 'build-addon',
    group: 'Set up',
    usage: '',
    summary: 'Compile the native addon for a platform without a prebuilt addon.',
    load: async () => (await import('./build-addon.js')).buildAddonCommand(),
  },
  {
    name: 'compact',
    group: 'Maintain',
    usage: '[options] <db-or-url>',
    summary: 'Compact a replica once.',
    load: async () => (await import('./compact.js')).compactCommand(),
  },
  {
    name: 'completion',
    group: 'Set up',
    usage: '<shell>',
    summary: 'Print the completion script of a shell.',
    load: async () => (await import('./completion.js')).completionCommand(),
  },
  {
    name: 'config',
    group: 'Set up',
    usage: '',
    summary: 'Check the configuration file.',
    load: async () => (await import('./config.js')).configCommand(),
  },
  {
    name: 'databases',
    group: 'Inspect',
    usage: '[options]',
    summary: 'List the databases of the configuration.',
    load: async () => (await import('./databases.js')).databasesCommand(),
  },
  {
    name: 'handover',
    group: 'Maintain',
    usage: '[options] <db> [url]',
    summary: 'Prepare a database so that Litestream can continue its replication.',
    load: async () => (await import('./handover.js')).handoverCommand(),
  },
  {
    name: 'hydrate',
    group: 'Replicate and restore',
    usage: '[options] <db-or-url>',
    summary: 'Fetch a full local copy of a replica.',
    load: async () => (await import('./hydrate.js')).hydrateCommand(),
  },
  {
    name: 'ltx',
    group: 'Inspect',
    usage: '',
    summary: 'List, show, check, dump, apply and create LTX files.',
    load: async () => (await import('./ltx.js')).ltxCommand(),
  },
  {
    name: 'mirror',
    group: 'Replicate and restore',
    usage: '[options] <source> <destination>',
    summary: 'Copy a replica to a second store, once or continuously.',
    load: async () => (await import('./mirror.js')).mirrorCommand(),
  },
  {
    name: 'monitor',
    group: 'Control a running process',
    usage: '[options] [db]',
    summary: 'Print the events of a running process.',
    load: async () => (await import('./monitor.js')).monitorCommand(),
  },
  {
    name: 'query',
    group: 'Inspect',
    usage: '[options] <db-or-url> <sql>',
    summary: 'Run one SQL statement on a replica.',
    load: async () => (await import('./query.js')).queryCommand(),
  },
  {
    name: 'replicate',
    group: 'Replicate and restore',
    usage: '[options] [db] [url] [more...]',
    summary: 'Replicate databases continuously.',
    load: async () => (await import('./replicate.js')).replicateCommand(),
  },
  {
    name: 'reset',
    group: 'Maintain',
    usage: '[options] <db>',
    summary: 'Delete the local replication state of a database.',
    load: async () => (await import('./reset.js')).resetCommand(),
  },
  {
    name: 'restore',
    group: 'Replicate and restore',
    usage: '[options] [db-or-url]',
    summary: 'Restore a database from its replica.',
    load: async () => (await import('./restore.js')).restoreCommand(),
  },
  {
    name: 'status',
    group: 'Inspect',
    usage: '[options] [db]',
    summary: 'Show the replication status of each database.',
    load: async () => (await import('./status.js')).statusCommand(),
  },
  {
    name: 'verify',
    group: 'Inspect',
    usage: '[options] <db-or-url>',
    summary: 'Check that a replica can be restored and that its files are undamaged.',
    load: async () => (await import('./verify.js')).verifyCommand(),
  },
  {
    name: 'version',
    group: 'Set up',
    usage: '[options]',
    summary: 'Print the version.',
    load: async () => (await import('./version.js')).versionCommand(),
  },
  {
    name: 'start',
    group: 'Control a running process',
    usage: '[options] <db>',
    summary: 'Start replicating a stopped database, in a running process.',
    load: async () => (await control()).startCommand(),
  },
  {
    name: 'stop',
    group: 'Control a running process',
    usage: '[options] <db>',
    summary: 'Stop replicating a database, in a running process.',
    load: async () => (await control()).stopCommand(),
  },
  {
    name: 'sync',
    group: 'Control a running process',
    usage: '[options] <db>',
    summary: 'Sync a database now, in a running process.',
    load: async () => (await control()).syncCommand(),
  },
  {
    name: 'register',
    group: 'Control a running process',
    usage: '[options] <db>',
    summary: 'Add a database to a running process.',
    load: async () => (await control()).registerCommand(),
  },
  {
    name: 'unregister',
    group: 'Control a running process',
    usage: '[options] <db>',
    summary: 'Remove a database from a running process.',
    load: async () => (await control()).unregisterCommand(),
  },
  {
    name: 'reload',
    group: 'Control a running process',
    usage: '[options]',
    summary: 'Apply the changed configuration file, in a running process.',
    load: async () => (await control()).reloadCommand(),
  },
  {
    name: 'list',
    group: 'Control a running process',
    usage: '[options]',
    summary: 'List the databases of a running process.',
    load: async () => (await control()).listCommand(),
  },
  {
    name: 'info',
    group: 'Control a running process',
    usage: '[options]',
    summary: 'Show version, process id and uptime of a running process.',
    load: async () => (await control()).infoCommand(),
  },
  {
    name: 'wal',
    group: 'Inspect',
    usage: '[args...]',
    summary: 'The command wal is now ltx.',
    hidden: true,
    load: async () => (await import('./wal.js')).walCommand(),
  },
]
