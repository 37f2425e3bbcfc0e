import type { Dataset } from './dataset.js'
import type { ResultTable } from './result.js'
import type { Stage } from './stage.js'

/** What a question may use while it is answered. */
export interface Bench {
  /** Small data and few rounds: shows that everything runs, and counts exactly; its times say little. */
  readonly quick: boolean
  /** `full`, or `few` when quick. */
  rounds(full: number, few?: number): number
  /** The dataset, by default of the size that `--posts` names. */
  dataset(posts?: number): Dataset
  /** A stage of this question's own; closed after it. */
  stage(): Promise<Stage>
  /** A directory of this question's own; removed after it. */
  readonly directory: string
  /** Tells a person who waits what is going on. */
  progress(text: string): void
}

export interface Question {
  /** As given on the command line, and as the results file is called. */
  readonly name: string
  readonly question: string
  /** What bounds the figures, in a sentence. */
  readonly limit: string
  readonly needs?: { readonly s3?: boolean; readonly nats?: boolean }
  run(bench: Bench): Promise<readonly ResultTable[]>
}
