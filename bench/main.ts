// npm run bench [-- NAME…] [--all] [--quick] [--plot] …; see --help
import { Command } from 'commander'
import { startRunServers } from '../test/support/servers/for-run.js'
import { LARGE, QUESTIONS } from './questions.js'
import { answer, drawPlots, nameOf, type Run, usualPosts } from './support/answer.js'
import { SIZES } from './support/dataset.js'
import { formatText } from './support/format.js'
import type { Question } from './support/question.js'
import { writeResult } from './support/result.js'

interface Options {
  readonly quick: boolean
  readonly posts?: number
  readonly minutes?: number
  readonly large: boolean
  readonly all: boolean
  readonly json: boolean
  readonly plot: boolean
  readonly list: boolean
  readonly save?: boolean
}

const HELP = `
A question measures at full length until its time is used up (some 60 s; --list shows it), from then on with as few rounds as
--quick; so a slow machine has wider spreads and no longer runs. A question that fails does not keep the others from running; the
exit status is 1 then, and a table at the end says how long each took.

  npm run bench -- --all --plot   every question, then cold, warm and size with 1.5 GB, saved with pictures: about 40 and 13 minutes
  npm run bench -- --plot         the questions that need no large database: about 40 minutes, 10 of them soak
  npm run bench -- --large --plot the large ones alone: about 13 minutes, and 3 to make the database when it is not there yet
  npm run bench -- --quick        every question on 10 MB in a few seconds each; nothing is saved
  npm run bench -- soak --minutes 60
  npm run bench:docs              docs/performance.md from bench/results

BENCH_DIR names the folder for databases and replicas (default: a folder of the system's temporary one); LITESTREAM_BIN names a
Litestream binary, which becomes a peer of the application then.`

/** The selected questions and options of a command line, in order. */
function runsOf(names: readonly string[], options: Options): Run[] {
  const { quick, minutes } = options
  const usual = usualPosts(quick)
  const run = (question: Question, posts = options.posts ?? usual): Run => ({ question, quick, posts, minutes })
  if (names.length > 0) return names.map((name) => run(find(name)))
  const large = LARGE.map(({ question, posts }) => run(question, quick ? usual : posts))
  const normal = QUESTIONS.filter((question) => !LARGE.some((one) => one.question === question && one.only))
  if (options.large) return large
  return [...normal.map((question) => run(question)), ...(options.all ? large : [])]
}

function find(name: string): Question {
  const found = QUESTIONS.find((question) => question.name === name)
  if (found) return found
  return program.error(
    `bench: no benchmark is called "${name}"; there are ${QUESTIONS.map((one) => one.name).join(', ')}`,
  )
}

function listQuestions(): void {
  for (const { name, question, budget = 60 } of QUESTIONS) {
    console.log(`${name.padEnd(16)} ${String(budget).padStart(4)} s  ${question}`)
  }
}

/** One line per run: name, seconds, and the error of a failed run. */
type Outcome = readonly [name: string, seconds: number, error: string | undefined]

async function runOne(run: Run, options: Options): Promise<Outcome> {
  const name = nameOf(run)
  const start = performance.now()
  const seconds = () => (performance.now() - start) / 1000
  if (!options.json) console.log(`== ${name}: ${run.question.question}\n`)
  try {
    const result = await answer(run, (text) =>
      process.stderr.write(`  ${seconds().toFixed(0).padStart(4)} s  ${text}\n`),
    )
    if (options.json) console.log(JSON.stringify(result))
    else for (const table of result.tables) console.log(formatText(table))
    if (options.save ?? !options.quick) writeResult(result)
    if (options.plot) drawPlots(result)
    return [name, seconds(), undefined]
  } catch (error) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
    process.stderr.write(`bench: ${name} failed: ${text}\n`)
    return [name, seconds(), text.split('\n', 1)[0]]
  }
}

async function main(names: readonly string[], options: Options): Promise<void> {
  if (options.list) return listQuestions()
  const runs = runsOf(names, options)
  const needed = (store: 's3' | 'nats') => runs.some(({ question }) => question.needs?.[store])
  const servers = await startRunServers({ s3: needed('s3'), nats: needed('nats') })
  Object.assign(process.env, servers.env)
  const outcomes: Outcome[] = []
  try {
    for (const [i, run] of runs.entries()) {
      process.stderr.write(`[${i + 1}/${runs.length}] ${nameOf(run)}\n`)
      outcomes.push(await runOne(run, options))
    }
  } finally {
    await servers.stop()
  }
  for (const [name, seconds, error] of outcomes) {
    process.stderr.write(`${name.padEnd(18)} ${seconds.toFixed(0).padStart(5)} s  ${error ?? ''}\n`)
  }
  const total = outcomes.reduce((sum, [, seconds]) => sum + seconds, 0)
  process.stderr.write(`${'together'.padEnd(18)} ${total.toFixed(0).padStart(5)} s\n`)
  if (outcomes.some(([, , error]) => error !== undefined)) process.exitCode = 1
}

const program = new Command('bench')
  .description('Measures this package beside its peers; one table a question.')
  .argument('[name...]', 'questions; by default all that need no large database')
  .option('--all', 'all questions, the large ones last', false)
  .option('--large', 'only the questions that are asked of a database of 1.5 GB', false)
  .option('--quick', 'small data and few rounds; not written to bench/results unless --save', false)
  .option(
    '--posts <n>',
    `posts in the dataset (${SIZES['1.5 GB']} make 1.5 GB); another size than usual has a results file of its own`,
    Number,
  )
  .option('--minutes <n>', 'how long a question lasts that has no end of its own (soak)', Number)
  .option('--json', 'print JSON instead of tables', false)
  .option('--plot', 'also draw SVG pictures into bench/results', false)
  .option('--list', 'list the questions', false)
  .option('--save', 'write bench/results/NAME.json (the default without --quick)')
  .addHelpText('after', HELP)
  .action(main)
try {
  await program.parseAsync()
} catch (error) {
  program.error(`bench: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
}
