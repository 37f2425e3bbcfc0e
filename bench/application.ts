import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { ApplicationRun } from './support/application.js'
import type { Question } from './support/question.js'
import type { Column } from './support/result.js'
import { ratios, spread } from './support/stats.js'

const COLUMNS: readonly Column[] = [
  { key: 'subject', label: 'replication', unit: 'text' },
  { key: 'writes', label: 'transactions, per s', unit: 'per s' },
  { key: 'ratio', label: 'of the application alone', unit: 'x' },
  { key: 'never', label: 'of one that never checkpoints', unit: 'x' },
]

export const application: Question = {
  name: 'application',
  question: 'How much does replication slow down an application that writes as fast as it can?',
  limit:
    'Replication uses the processor cores of the machine to read, compress and upload the changes of the application.',
  needs: { s3: true },
  async run(bench) {
    const data = bench.dataset(12_500)
    const stage = await bench.stage()
    const litestream = process.env.LITESTREAM_BIN
    const subjects = [
      { subject: 'none', url: undefined },
      { subject: 'none, the application never checkpoints', url: undefined, checkpoints: false },
      {
        subject: 'litestream-ts to file',
        url: (run: string) => pathToFileURL(path.join(bench.directory, run, 'replica')).href,
      },
      { subject: 'litestream-ts to S3', url: (run: string) => stage.directUrl(run) },
      ...(litestream === undefined
        ? []
        : [
            {
              subject: 'Litestream to file',
              url: (run: string) => path.join(bench.directory, run, 'replica'),
              litestream,
            },
          ]),
    ]
    const rates: number[][] = subjects.map(() => [])
    for (let round = bench.rounds(4, 1); round > 0; round--) {
      for (const [i, { subject, url, ...rest }] of subjects.entries()) {
        bench.progress(subject)
        const directory = path.join(bench.directory, `${i}-${round}`)
        mkdirSync(directory)
        const run = new ApplicationRun(data.file, directory, url?.(`${i}-${round}`), rest)
        rates[i]!.push(await run.writesPerSecond(bench.size(3000, 500)))
      }
    }
    const rows = subjects.map(({ subject }, i) => ({
      subject,
      writes: spread(rates[i]!),
      ratio: i === 0 ? null : ratios(rates[i]!, rates[0]!),
      never: i === 1 ? null : ratios(rates[i]!, rates[1]!),
    }))
    const notes = [
      'Replication runs the checkpoints, so an application can be faster with replication than without replication. The last column compares the replicated application with an application that never runs a checkpoint, so that its WAL grows without bound. The ratio in the last column contains the whole cost of replication.',
    ]
    const title = 'Small transactions in one thread, WAL, synchronous=normal'
    return [{ id: 'throughput', title, columns: COLUMNS, rows, notes }]
  },
}
