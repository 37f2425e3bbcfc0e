/**
 * The settings of a compaction scheduler. All times are in milliseconds. The settings have the same
 * names and defaults as in the configuration file.
 */
export interface CompactionSettings {
  readonly levels: readonly { readonly level: number; readonly interval: number }[]
  readonly snapshot: { readonly interval: number; readonly retention: number }
  /**
   * Minimum age of an L0 file before retention deletes it. If `l0Retention` is 0, L0 files are kept
   * forever.
   */
  readonly l0Retention: number
  readonly l0RetentionCheckInterval: number
  /** Whether retention deletes files. */
  readonly retentionEnabled: boolean
  /** How long retention keeps the files from before a divergence. Default: 30 days. */
  readonly divergedRetention?: number
  /** Whether each compaction lists the level to which it wrote and checks this level for gaps. */
  readonly verifyCompaction?: boolean
  /**
   * Interval in milliseconds between two checks of all levels for gaps and overlaps, or undefined
   * for no checks.
   */
  readonly validationInterval?: number
}

const SECOND = 1000
export const DEFAULT_COMPACTION_SETTINGS: CompactionSettings = {
  levels: [
    { level: 1, interval: 30 * SECOND },
    { level: 2, interval: 300 * SECOND },
    { level: 3, interval: 3600 * SECOND },
  ],
  snapshot: { interval: 24 * 3600 * SECOND, retention: 24 * 3600 * SECOND },
  l0Retention: 300 * SECOND,
  l0RetentionCheckInterval: 15 * SECOND,
  retentionEnabled: true,
}
