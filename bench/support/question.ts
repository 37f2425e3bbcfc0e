import type { Dataset } from './dataset.js'
import type { ResultTable } from './result.js'
import type { Stage } from './stage.js'

/** What a question may use while it is answered. */
export interface Bench {
  /**
   * Small data and few rounds: checks that everything runs, and counts exactly; the times are not
   * meaningful.
   */
  readonly quick: boolean
  /**
   * How often to measure: `full` times, or `few` (1) when quick, and when the question has used its
   * time up.
   */
  rounds(full: number, few?: number): number
  /** A size or a duration: `full`, or `little` when quick. */
  size(full: number, little: number): number
  /** `--minutes`: the duration of a question that has no natural end. */
  readonly minutes: number | undefined
  /** The dataset, by default of the size that `--posts` names. */
  dataset(posts?: number): Dataset
  /** A stage of this question's own; closed after it. */
  stage(): Promise<Stage>
  /** A stage with the dataset as the replica `app.db`. */
  published(posts?: number): Promise<{ readonly stage: Stage; readonly data: Dataset }>
  /** A directory of this question's own; removed after it. */
  readonly directory: string
  /** Reports progress to the user. */
  progress(text: string): void
}

export interface Question {
  /** As given on the command line, and as the results file is called. */
  readonly name: string
  readonly question: string
  /** The limiting factor of the figures, in a sentence. */
  readonly limit: string
  /** Seconds of measuring at full length, by default 60. */
  readonly budget?: number
  readonly needs?: { readonly s3?: boolean; readonly nats?: boolean }
  run(bench: Bench): Promise<readonly ResultTable[]>
}
