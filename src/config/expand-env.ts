export interface Expanded {
  readonly text: string
  /** Names that stood for nothing. */
  readonly unset: readonly string[]
}

/**
 * Replaces `$NAME` and `${NAME}` by environment variables the way Go's os.Expand does: an unset one becomes nothing, `$PID` is the
 * process id, a `$` before anything that is no name stays.
 */
export function expandEnv(text: string, env: NodeJS.ProcessEnv = process.env): Expanded {
  const unset = new Set<string>()
  const lines = text.split('\n').map((line) => {
    // A comment is expanded like everything else, but what is missing in it matters to nobody.
    const isComment = line.trimStart().startsWith('#')
    return line.replace(/\$(?:\{([^}\n]*)\}|([A-Za-z_]\w*|[*#$@!?\d-]))/g, (_, braced?: string, bare?: string) => {
      const name = braced ?? bare ?? ''
      if (name === 'PID') return String(process.pid)
      const value = env[name]
      if (value === undefined && !isComment) unset.add(name)
      return value ?? ''
    })
  })
  return { text: lines.join('\n'), unset: [...unset] }
}
