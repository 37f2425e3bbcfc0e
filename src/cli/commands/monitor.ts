import type { Command } from 'commander'
import { DEFAULTS } from '../../config/defaults.js'
import { expandPath } from '../../config/expand-path.js'
import type { ProcessEvent } from '../../status/event-streams.js'
import { createCommand } from '../command.js'
import { socketOf } from '../control-client.js'
import { followEvents } from '../follow-events.js'
import { print, printJsonLine } from '../output.js'
import { abortOnSignals } from '../signals.js'

interface MonitorFlags {
  readonly socket?: string
  readonly json?: boolean
}

export function monitorCommand(): Command {
  const command = createCommand('monitor', {
    summary: 'Print the events of a running process.',
    description:
      'Prints the events of a running process until a signal arrives (exit status 0) or the process ends (exit status 1). The events are open, sync, upload, checkpoint, compaction, snapshot, retention, integrity, missing, rejoin, divergence, notice, outage, mirror, proof, reload, state, error and recover. With -json, the command prints each event as one line of JSON, as `GET /events` of the control socket sends the event. Heartbeats are not printed.',
    examples: [
      ['monitor', 'print the events of every database'],
      ['monitor /var/lib/app.db', 'print the events of one database'],
      ['monitor -json', '{"time", "event", "path", "txid", …} per line'],
    ],
  })
  return command
    .argument('[db]', 'path of a database whose events are printed (default: all databases)')
    .option(
      '--socket <path>',
      `control socket of the running process (default: \`socket.path\` of the configuration file, or ${DEFAULTS.socketPath})`,
    )
    .option('--json', 'print one JSON object per line')
    .action(async (db: string | undefined, flags: MonitorFlags) => {
      const socket = await socketOf(flags)
      const onEvent = (event: ProcessEvent & { readonly time: string }) => {
        if (event.event === 'heartbeat') return
        if (flags.json) printJsonLine(event)
        else print(textOf(event))
      }
      const path = db === undefined ? undefined : expandPath(db)
      await abortOnSignals((signal) => followEvents({ socket, path, signal, onEvent }))
    })
}

function textOf({ time, event, path, ...fields }: ProcessEvent & { readonly time: string }): string {
  const rest = Object.entries(fields).map(([key, value]) => `${key}=${plain(value)}`)
  return [time, event.padEnd(10), ...(path === undefined ? [] : [path]), ...rest].join(' ')
}

/** Formats a value as a log line does, with quotes if the value contains a space. */
function plain(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return typeof value === 'string' && /[\s"=]/.test(text) ? JSON.stringify(text) : text
}
