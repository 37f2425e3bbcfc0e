import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { benchDirectory, dataset, SIZES } from './dataset.js'
import { machine } from './machine.js'
import { plotTable } from './plot.js'
import type { Bench, Question } from './question.js'
import { type Result, resultsDirectory } from './result.js'
import { Stage } from './stage.js'

/** One question on a database of one size. */
export interface Run {
  readonly question: Question
  readonly quick: boolean
  readonly posts: number
  /** Duration in minutes of a question that has no natural end. */
  readonly minutes: number | undefined
}

/** Seconds that a question may measure at full length. */
const BUDGET = 60

export const usualPosts = (quick: boolean): number => (quick ? SIZES['10 MB'] : SIZES['160 MB'])

/** The name of results and pictures: a database of another size than usual has its own name. */
export function nameOf({ question, quick, posts }: Run): string {
  return posts === usualPosts(quick) ? question.name : `${question.name}-${posts}`
}

/** Answers it in a separate directory, with separate stages. `progress` receives the progress. */
export async function answer(run: Run, progress: (text: string) => void): Promise<Result> {
  const { question, quick, posts, minutes } = run
  const stages: Stage[] = []
  const directory = mkdtempSync(path.join(benchDirectory(), `${question.name}-`))
  const end = performance.now() + (question.budget ?? BUDGET) * 1000
  const stage = async () => {
    const started = await Stage.start()
    stages.push(started)
    return started
  }
  const bench: Bench = {
    quick,
    minutes,
    rounds: (full, few = 1) => (quick || performance.now() > end ? Math.min(full, few) : full),
    size: (full, little) => (quick ? little : full),
    dataset: (wanted = posts) => dataset(wanted),
    stage,
    published: async (wanted = posts) => {
      const data = dataset(wanted)
      const started = await stage()
      progress(`publishing ${Math.round(data.size / 1e6)} MB`)
      await started.publish('app.db', data.file)
      return { stage: started, data }
    },
    directory,
    progress,
  }
  try {
    const [before, date] = [machine(), new Date().toISOString()]
    const tables = await question.run(bench)
    const { question: asked, limit } = question
    return { name: nameOf(run), question: asked, limit, machine: before, date, quick, tables }
  } finally {
    for (const stage of stages) await stage.close()
    rmSync(directory, { recursive: true, force: true })
  }
}

/** Draws a result's pictures again and deletes older ones of it. */
export function drawPlots({ name, tables }: Result): void {
  const directory = resultsDirectory()
  for (const file of readdirSync(directory)) {
    if (tables.some(({ id }) => file.startsWith(`${name}-${id}-`)) && file.endsWith('.svg'))
      rmSync(path.join(directory, file))
  }
  for (const table of tables) {
    table.plots?.forEach((plot, i) => {
      writeFileSync(path.join(directory, `${name}-${table.id}-${i + 1}.svg`), plotTable(table, plot))
    })
  }
}
