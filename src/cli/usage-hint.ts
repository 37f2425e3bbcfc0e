import type { CommanderError } from 'commander'

/**
 * Flags of other programs and of Litestream 0.3, each with a hint that names the flag to use
 * instead.
 */
const FLAGS: Readonly<Record<string, string>> = {
  output: 'Name the output file with -o.',
  out: 'Name the output file with -o.',
  follow: 'Follow the replica with -f.',
  verbose: 'Set the log level with -log-level debug (replicate), or run `litestream-ts version -verbose`.',
  debug: 'Set the log level with -log-level debug, or LOG_LEVEL=debug in the environment.',
  generation: 'Only Litestream 0.3 has generations: choose a state with -timestamp or -txid.',
  index: 'Only Litestream 0.3 has WAL indexes: choose a state with -timestamp or -txid.',
  replica: 'Leave the flag out: since Litestream 0.5, a database has only one replica.',
  url: 'Write the URL as an argument, without a flag.',
  db: 'Write the path of the database as an argument, without a flag.',
  c: 'Name the configuration file with -config.',
  conf: 'Name the configuration file with -config.',
  overwrite: 'Replace an existing database with -force.',
  yes: 'Leave the flag out: litestream-ts never asks for confirmation.',
  y: 'Leave the flag out: litestream-ts never asks for confirmation.',
  format: 'Print JSON with -json.',
  daemon: 'Run the process under systemd, or with `&`: docs/deploy.md.',
}

/** For each command, the hint for a superfluous argument. */
const EXTRA_ARGUMENTS: Readonly<Record<string, string>> = {
  restore: 'Name the output with -o: litestream-ts restore -o FILE DB_OR_URL.',
  query: 'Put the SQL statement in quotes: litestream-ts query DB_OR_URL "SELECT …".',
  hydrate: 'Name the output with -o: litestream-ts hydrate -o FILE DB_OR_URL.',
}

const MISSING_ARGUMENTS: Readonly<Record<string, string>> = {
  query: 'Write the statement in quotes: litestream-ts query DB_OR_URL "SELECT …".',
  mirror: 'Give the URLs of both replicas: litestream-ts mirror SOURCE_URL DESTINATION_URL.',
}

/** Returns a hint for an error in the command line. Returns undefined if no hint fits the error. */
export function usageHint({ code, message }: CommanderError, name: string | undefined): string | undefined {
  const flag = /unknown option '--?([^']+)'/.exec(message)?.[1]
  // Commander's message already contains a suggestion.
  if (message.includes('(Did you mean')) return undefined
  if (flag !== undefined && Object.hasOwn(FLAGS, flag)) return FLAGS[flag]
  const byCommand =
    code === 'commander.excessArguments'
      ? EXTRA_ARGUMENTS
      : code === 'commander.missingArgument'
        ? MISSING_ARGUMENTS
        : undefined
  return name !== undefined && byCommand && Object.hasOwn(byCommand, name) ? byCommand[name] : undefined
}
