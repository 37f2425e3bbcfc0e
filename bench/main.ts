// npm run bench [-- NAME…] [--quick] [--posts N] [--json] [--plot] [--list]
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { Command } from 'commander'
import { startRunServers } from '../test/support/servers/for-run.js'
import { QUESTIONS } from './questions.js'
import { benchDirectory, dataset, SIZES } from './support/dataset.js'
import { formatText } from './support/format.js'
import { machine } from './support/machine.js'
import { plotTable } from './support/plot.js'
import type { Bench, Question } from './support/question.js'
import { type Result, resultsDirectory, writeResult } from './support/result.js'
import { Stage } from './support/stage.js'

interface Options {
  readonly quick: boolean
  readonly posts: number
  readonly json: boolean
  readonly plot: boolean
  readonly list: boolean
  readonly save: boolean
}

async function answer(question: Question, options: Options): Promise<Result> {
  const stages: Stage[] = []
  const directory = mkdtempSync(path.join(benchDirectory(), `${question.name}-`))
  const bench: Bench = {
    quick: options.quick,
    rounds: (full, few = 1) => (options.quick ? few : full),
    dataset: (posts = options.posts) => dataset(posts),
    stage: async () => {
      const stage = await Stage.start()
      stages.push(stage)
      return stage
    },
    directory,
    progress: (text) => process.stderr.write(`  … ${text}\n`),
  }
  try {
    const [before, date] = [machine(), new Date().toISOString()]
    const { question: asked, limit } = question
    const usual = options.quick ? SIZES['10 MB'] : SIZES['160 MB']
    const name = options.posts === usual ? question.name : `${question.name}-${options.posts}`
    const tables = await question.run(bench)
    return { name, question: asked, limit, machine: before, date, quick: options.quick, tables }
  } finally {
    for (const stage of stages) await stage.close()
    rmSync(directory, { recursive: true, force: true })
  }
}

async function main(names: readonly string[], options: Options): Promise<void> {
  if (options.list) {
    for (const { name, question } of QUESTIONS) console.log(`${name.padEnd(16)} ${question}`)
    return
  }
  const chosen = names.length === 0 ? QUESTIONS : names.map(find)
  const servers = await startRunServers({
    s3: chosen.some(({ needs }) => needs?.s3),
    nats: chosen.some(({ needs }) => needs?.nats),
  })
  Object.assign(process.env, servers.env)
  try {
    for (const question of chosen) {
      if (!options.json) console.log(`== ${question.name}: ${question.question}\n`)
      const result = await answer(question, options)
      if (options.json) console.log(JSON.stringify(result))
      else for (const table of result.tables) console.log(formatText(table))
      if (options.save) writeResult(result)
      if (options.plot) drawPlots(result)
    }
  } finally {
    await servers.stop()
  }
}

function find(name: string): Question {
  const found = QUESTIONS.find((question) => question.name === name)
  if (found) return found
  return program.error(
    `bench: no benchmark is called "${name}"; there are ${QUESTIONS.map((one) => one.name).join(', ')}`,
  )
}

function drawPlots(result: Result): void {
  for (const table of result.tables) {
    table.plots?.forEach((plot, i) => {
      writeFileSync(path.join(resultsDirectory(), `${result.name}-${table.id}-${i + 1}.svg`), plotTable(table, plot))
    })
  }
}

const program = new Command('bench')
  .description('Measures this package beside its peers; one table a question.')
  .argument('[name...]', 'questions; all of them by default')
  .option('--quick', 'small data and few rounds; not written to bench/results unless --save', false)
  .option(
    '--posts <n>',
    'posts in the dataset (1900000 make 1.5 GB); another size than usual has a results file of its own',
    Number,
  )
  .option('--json', 'print JSON instead of tables', false)
  .option('--plot', 'also draw SVG pictures into bench/results', false)
  .option('--list', 'list the questions', false)
  .option('--save', 'write bench/results/NAME.json (the default without --quick)')
  .action((names: string[], given) =>
    main(names, {
      ...given,
      posts: given.posts ?? (given.quick ? SIZES['10 MB'] : SIZES['160 MB']),
      save: given.save ?? !given.quick,
    }),
  )
try {
  await program.parseAsync()
} catch (error) {
  program.error(`bench: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
}
