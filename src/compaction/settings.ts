/** All times in milliseconds; the names and defaults are those of the configuration. */
export interface CompactionSettings {
  readonly levels: readonly { readonly level: number; readonly interval: number }[]
  readonly snapshot: { readonly interval: number; readonly retention: number }
  /** 0: L0 files are kept forever. */
  readonly l0Retention: number
  readonly l0RetentionCheckInterval: number
  /** False: no file is ever deleted. */
  readonly retentionEnabled: boolean
  /** How long the state before a divergence stays; default: 30 days. */
  readonly divergedRetention?: number
  /** After each compaction, list the level and check for gaps. */
  readonly verifyCompaction?: boolean
  /** Interval at which all levels are checked for gaps and overlaps; undefined: never. */
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
